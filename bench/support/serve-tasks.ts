import type { z } from 'zod'
import { errorText } from '../../src/base/errors.ts'

/**
 * Makes this child process do what its parent sends as `{ id, task }`, and answer each under its id. It ends with the
 * parent, and not by Ctrl-C, which reaches the whole terminal: the parent ends its children in its own order.
 */
export function serveTasks<T>(
  messageSchema: z.ZodType<{ readonly id: number; readonly task: T }>,
  perform: (task: T) => Promise<unknown>,
): void {
  process.on('message', (raw) => {
    const { id, task } = messageSchema.parse(raw)
    perform(task).then(
      (value) => process.send?.({ id, ok: true, value: value ?? null }),
      (error: unknown) => process.send?.({ id, ok: false, error: errorText(error) }),
    )
  })
  process.on('disconnect', () => process.exit(0))
  process.on('SIGINT', () => {})
}
