import { fileURLToPath } from 'node:url'
import { TaskProcess } from '../support/task-process.ts'
import type { Task } from './tasks.ts'

const PROGRAM = fileURLToPath(new URL('./worker-main.ts', import.meta.url))

/** A process of the bench: each part of a measurement has its own, so that only its own work is counted. */
export type Worker = TaskProcess<Task>

export const Worker = {
  start(name: string, signal: AbortSignal): Worker {
    return TaskProcess.start<Task>(PROGRAM, name, signal)
  },
} as const
