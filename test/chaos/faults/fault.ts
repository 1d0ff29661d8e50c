import type { ChaosHost } from '../host.ts'
import type { World } from '../world.ts'

/** Puts right what was put wrong. */
export type Heal = () => Promise<void>

/** Something that goes wrong. */
export interface Fault {
  /** In the words of the table. */
  readonly what: string
  /** How many further times the content may leave the origin, for each time this happens. */
  readonly copies: number
  /** Whether pulls may be sent to the registry, or cut: where it does not, a fleet goes on as if nothing had happened. */
  readonly refuses: boolean
  /** Whether disks must be such as can be frozen; those in memory cannot. */
  readonly freezes?: boolean
  /** Puts something wrong; `draw`, in [0, 1), chooses what is left open. Undefined where there is nothing to put wrong yet. */
  inject(world: World, draw: number): Promise<Heal | undefined>
}

/** One of them, by a draw. */
export function oneOf<T>(all: readonly T[], draw: number): T {
  const index = Math.floor(draw * all.length)
  const one = all[index]
  if (one === undefined) throw new RangeError(`nothing to draw from (${draw})`)
  return one
}

export function anyHost(world: World, draw: number): ChaosHost {
  return oneOf(world.hosts, draw)
}

export const nothing: Heal = async () => {}
