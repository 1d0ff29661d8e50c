/*
 * Has the container runtimes of this host pull an image that is here already, through its own mirror.
 *   loaders            which runtimes there are, and how each is loaded
 *   image-loader       what a loader does
 *   docker-loader      Docker Engine, over its HTTP API: docker-engine, json-lines
 *   containerd-loader  containerd, by its own client program: ctr-flags, run-program
 */
export { DockerEngine } from './docker-engine.ts'
export { pullImage } from './docker-loader.ts'
export type { ImageLoader } from './image-loader.ts'
export type { LoadRuntime, RuntimeSettings } from './loaders.ts'
export { createLoader, LOAD_RUNTIMES } from './loaders.ts'
export { runProgram } from './run-program.ts'
