// Loaded into a daemon before its own code (`--import`): its wall clock is wrong by as many milliseconds as the file named
// in CHAOS_CLOCK says, from the moment the file says so.
import { readFileSync } from 'node:fs'

const LOOK_MS = 200

const right = Date.now
let aheadMs = 0
const look = (): void => {
  try {
    aheadMs = Number(readFileSync(process.env.CHAOS_CLOCK ?? '', 'utf8')) || 0
  } catch {
    aheadMs = 0
  }
}
look()
setInterval(look, LOOK_MS).unref()
Date.now = () => right() + aheadMs
