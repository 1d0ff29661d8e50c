/*
 * Which images must stay on this host (PINS.md), and what images are made of.
 *   pins           by reference, for operators and for prewarm jobs     pin-store  their rows, and the store's pins by them
 *   image-content  manifests, configs and layers of a reference, for some platforms
 *   interface      what the room needs of whoever has manifests
 */
export { requirePlatform, resolveContent } from './image-content.ts'
export type { ImageSource, PinView } from './interface.ts'
export { PinStore } from './pin-store.ts'
export { Pins } from './pins.ts'
