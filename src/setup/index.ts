/*
 * Tells container runtimes of this machine about the agent's mirror.
 * Pure, by the files' texts alone:
 *   plan          what each runtime's files must say: docker, containerd, containers, buildkit, nerdctl, hosts-toml
 *   registries    for which registries
 *   toml-text, json-text   the smallest edit of a file, proven by parsing it before and after
 * With the file system:
 *   setup         what changes, and doing it: changes, file-diff
 *   record        what was changed and what was there before
 *   rooted-files  files below a root, never out of it
 *   names, version, interface, refusal   what they are called, which they are, and what is not done to their files
 */
export type { FileNeeds, ImageStore, RuntimeVersion, SetupGoal, SetupPlan, SetupRuntime } from './interface.ts'
export { IMAGE_STORES, SETUP_RUNTIMES } from './interface.ts'
export { planSetup, SERVICES } from './plan.ts'
export { mirroredRegistries, parseRegistry } from './registries.ts'
export type { PreparedSetup } from './setup.ts'
export { Setup } from './setup.ts'
export { parseVersion, versionText } from './version.ts'
