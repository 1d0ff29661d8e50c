import { it } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

/** Of both hosts together. Beside these the event loop's lag is looked at five times a second. */
const MOST_PER_SECOND = 20
const LOOKS = 10

/** What timers of this process are set for, in milliseconds, until they fire or are cleared. */
const pending = new Map<NodeJS.Timeout, number>()

const { setTimeout: set, clearTimeout: clear } = globalThis
// all of a host's timers are set by the global functions
globalThis.setTimeout = Object.assign((fn: (...args: unknown[]) => void, ms = 1, ...args: unknown[]) => {
  const timer = set(() => {
    pending.delete(timer)
    fn(...args)
  }, ms)
  pending.set(timer, ms)
  return timer
}, set)
globalThis.clearTimeout = (timer) => {
  if (timer instanceof Object) pending.delete(timer)
  clear(timer)
}

/** How often a second this process wakes if it sets such timers again and again. */
function wakesPerSecond(): number {
  return [...pending.values()].reduce((sum, ms) => sum + 1_000 / Math.max(ms, 1), 0)
}

it('an idle agent and an idle cache wake fewer than twenty times a second, together', async (t) => {
  const fleet = await NodeFleet.create(t)
  const upstreams = [directoryUpstream('up.example', fleet.directory)]
  const cache = await fleet.start({ role: 'cache', upstreams })
  const agent = await fleet.start({ upstreams, caches: [cache] })
  await eventually('the agent is linked', async () => {
    const metrics = await agent.metrics()
    return metrics.sum('shoal_peers', { role: 'cache', state: 'linked' }) === 1
  })
  const seen: number[] = []
  // a timer that is there for a moment shows in some looks only
  await eventually(`no more than ${MOST_PER_SECOND} in each of ${LOOKS} looks: ${pending.values()}`, () => {
    seen.push(wakesPerSecond())
    return seen.length >= LOOKS && seen.slice(-LOOKS).every((one) => one <= MOST_PER_SECOND)
  })
  t.diagnostic(`${seen.at(-1)} a second: ${[...pending.values()].sort((a, b) => a - b).slice(0, 16)}`)
})
