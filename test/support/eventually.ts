import { setTimeout as wait } from 'node:timers/promises'
import { inspect } from 'node:util'

/** So long a loaded machine may take for anything: what has not happened by then will not happen at all. */
const HANG_MS = 60_000

/**
 * Waits until `probe` returns something truthy, looking every 20 ms, and returns it. What it waits for must stay true
 * once it is: a state that passes can fall between two looks. The time is a hang detector, not an expectation; it may
 * only be longer for what takes longer by its own rules. Fails with `what` and the last thing seen.
 */
export async function eventually<T>(what: string, probe: () => Promise<T> | T, timeoutMs = HANG_MS): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value) return value
    if (performance.now() > deadline) {
      const seen = inspect(value, { depth: 4, breakLength: 120 })
      throw new Error(`not within ${timeoutMs} ms: ${what} (last seen: ${seen})`)
    }
    await wait(20)
  }
}
