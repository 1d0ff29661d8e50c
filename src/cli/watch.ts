import { sleep } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import type { CommandIo } from './command-io.ts'
import { fitText } from './fit-text.ts'

const PERIOD_MS = 1000
/** Cursor home and clear to the end: less flicker than clearing first. */
const REDRAW = '\u001b[H\u001b[J'
const CLEAR = '\u001b[2J'

/** Shows `show()` again and again until the command is interrupted, in place on a terminal. */
export async function watch(io: CommandIo, show: () => Promise<string>, options: { redraw: boolean }): Promise<void> {
  const inPlace = options.redraw && io.stdout.isTTY === true
  if (inPlace) io.stdout.write(CLEAR)
  try {
    while (!io.signal.aborted) {
      const text = await show()
      io.stdout.write(inPlace ? `${REDRAW}${fitText(text, io.stdout.columns)}\n` : `${text}\n`)
      await sleep(systemClock, PERIOD_MS, io.signal)
    }
  } catch (error) {
    // To interrupt is how a watch ends.
    if (!io.signal.aborted) throw error
  }
}
