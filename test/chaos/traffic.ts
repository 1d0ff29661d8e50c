import { setTimeout as wait } from 'node:timers/promises'
import type { Rng } from '../../src/base/rng.ts'
import { seededRng } from '../../src/base/rng.ts'
import type { ChaosHost } from './host.ts'
import { PORTS } from './host.ts'
import { IMAGES } from './images.ts'
import { withPatience } from './patience.ts'
import type { Pulled } from './runtime-pull.ts'
import { RUNTIMES } from './runtime-pull.ts'
import type { Pushed, World } from './world.ts'
import { UPSTREAM } from './world.ts'

const MIRROR = `http://127.0.0.1:${PORTS.mirror}`
const PULLS_PER_HOST = 2
const PAUSE_MS = 150
/** The share of pulls that are of the newest image, as in a rollout. */
const NEWEST_SHARE = 0.6
/** Images come throughout, the last of them when the last faults do. */
const PUSHED_WITHIN = 0.9
/** After the last fault is healed, everything can be pulled everywhere within this. */
const HEALED_WITHIN_MS = 60_000

export type Counts = Record<Pulled['result'], number>

/** Pulls on all agents for as long as it exists, and images that are pushed meanwhile. */
export class Traffic {
  readonly counts: Counts = { whole: 0, refused: 0, cut: 0, wrong: 0, rude: 0, hung: 0 }
  readonly breaches: string[] = []
  /** How pulls ended that were neither whole nor a breach. */
  readonly refusals: string[] = []
  readonly #world: World
  readonly #stop = new AbortController()
  readonly #ended: Promise<unknown>

  /** `seconds`: how long it is meant to last. */
  constructor(world: World, seed: number, seconds: number) {
    this.#world = world
    const pulls = world.agents.flatMap((host, index) =>
      Array.from({ length: PULLS_PER_HOST }, (_, lane) =>
        this.#pullOn(host, seededRng(seed * 1_000 + index * 10 + lane)),
      ),
    )
    this.#ended = Promise.all([...pulls, this.#push((PUSHED_WITHIN * seconds * 1000) / IMAGES)])
    // told at the end
    this.#ended.catch(() => {})
  }

  /** Lets the pulls under way end. */
  async end(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async #push(everyMs: number): Promise<void> {
    while (!this.#stop.signal.aborted && (await this.#world.pushNext())) await this.#pause(everyMs)
  }

  async #pullOn(host: ChaosHost, rng: Rng): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { pushed } = this.#world
      const what = rng.next() < NEWEST_SHARE ? pushed.at(-1) : pushed[rng.below(pushed.length)]
      const runtime = RUNTIMES[rng.below(RUNTIMES.length)]
      if (what !== undefined && runtime !== undefined) this.#judge(host, what, await pull(host, what, runtime))
      await this.#pause(PAUSE_MS)
    }
  }

  #judge(host: ChaosHost, what: Pushed, pulled: Pulled): void {
    const { result, detail, manifest, ms } = pulled
    this.counts[result]++
    const said = `${host.name}: pull of ${what.repository}`
    switch (result) {
      case 'whole':
        if (isOf(what, manifest)) return
        this.breaches.push(`${said} got ${manifest}, which was never pushed`)
        return
      case 'refused':
      case 'cut':
        this.refusals.push(`${said} was ${result} after ${ms} ms: ${detail}`)
        return
      case 'wrong':
      case 'rude':
      case 'hung':
        this.breaches.push(`${said} was ${result} after ${ms} ms: ${detail}`)
        return
      default:
        result satisfies never
    }
  }

  async #pause(ms: number): Promise<void> {
    await wait(ms, undefined, { signal: this.#stop.signal }).catch(() => {})
  }
}

export interface Healed {
  /** Until everything was everywhere. */
  readonly ms: number
  /** Which pull took longest. */
  readonly slowest: string
  /** What did not come. */
  readonly breaches: readonly string[]
}

/** With nothing wrong any more: pulls everything on all agents until it is there. */
export async function pullEverything(world: World): Promise<Healed> {
  const startedAt = performance.now()
  const breaches: string[] = []
  let [slowest, slowestMs] = ['', 0]
  const comes = async (host: ChaosHost, what: Pushed): Promise<void> => {
    for (;;) {
      const pulled = await pull(host, what, 'podman')
      if (pulled.ms > slowestMs) {
        slowestMs = pulled.ms
        slowest = `${host.name} ${what.repository} ${pulled.ms} ms (${pulled.result})`
      }
      if (pulled.result === 'whole' && pulled.manifest === what.images.at(-1)?.manifest.digest) return
      if (performance.now() - startedAt > withPatience(HEALED_WITHIN_MS)) {
        const { result, detail, manifest } = pulled
        breaches.push(`${host.name} has not got ${what.repository} in time: ${result} ${detail} ${manifest}`)
        return
      }
      await wait(PAUSE_MS)
    }
  }
  await Promise.all(
    world.agents.map(async (host) => {
      for (const what of world.pushed) await comes(host, what)
    }),
  )
  return { ms: Math.round(performance.now() - startedAt), slowest, breaches }
}

function pull(host: ChaosHost, { repository, tag }: Pushed, runtime: (typeof RUNTIMES)[number]): Promise<Pulled> {
  return host.hand.pull({ mirror: MIRROR, upstream: UPSTREAM, repository, tag, runtime })
}

function isOf({ images }: Pushed, manifest: string | undefined): boolean {
  return images.some((image) => image.manifest.digest === manifest)
}
