export { amountText } from './amount.ts'
export type { HintedImage } from './hooks/hook-service.ts'
export { HookService } from './hooks/hook-service.ts'
export type { HookAnswer, HookHead, HookRule, HookSource } from './hooks/interface.ts'
export { HOOK_SOURCES } from './hooks/interface.ts'
export { isPattern } from './hooks/pattern.ts'
export type {
  HostView,
  ImageSource,
  LoadRuntime,
  PrewarmPatch,
  PrewarmPlanView,
  PrewarmService,
  PrewarmSpec,
  PrewarmView,
} from './interface.ts'
export { isFinal, newJobId } from './job.ts'
export type { ContainerdLoaderOptions } from './load-containerd.ts'
export { ContainerdLoader } from './load-containerd.ts'
export type { DockerLoaderOptions } from './load-docker.ts'
export { DockerLoader } from './load-docker.ts'
export type { ImageLoader } from './loader.ts'
export { roomOf } from './need.ts'
export type { OfficeDeps, OfficeOptions } from './office.ts'
export { PrewarmOffice } from './office.ts'
export { jobOrder, Orders, orderChange, orderJob } from './orders.ts'
export { PinBook } from './pin-book.ts'
export type { PinView } from './pins.ts'
export { Pins } from './pins.ts'
export { isJobId, prewarmHostSchema, prewarmPlanViewSchema, prewarmViewSchema } from './shapes.ts'
export { parsePrewarmPatch, parsePrewarmSpec } from './spec.ts'
