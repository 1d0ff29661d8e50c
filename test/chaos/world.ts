import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AllowedCongestionControl } from '../../bench/fleet/congestion.ts'
import { Namespaces } from '../../bench/fleet/namespaces.ts'
import { Network } from '../../bench/fleet/network.ts'
import { eachAtMost } from '../../bench/support/each-at-most.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import type { FleetKey } from '../../src/trust/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/trust/index.ts'
import { unpackPreviousRelease } from '../support/previous-release.ts'
import { Hand } from './hand.ts'
import type { HostPlace } from './host.ts'
import { ChaosHost, PORTS } from './host.ts'
import type { Images } from './images.ts'
import type { OriginKind } from './names.ts'
import type { ChaosOrigin } from './origins.ts'
import { OPEN_ORIGIN } from './origins.ts'

export const UPSTREAM = 'registry.test'
export const MOVING = { repository: 'team/moving', tag: 'v1' }
const STARTS_AT_ONCE = 3

/** Two regions, one above the other. */
const PLACES: readonly HostPlace[] = [
  { name: 'core-c0', role: 'cache', region: 'core' },
  { name: 'core-c1', role: 'cache', region: 'core' },
  { name: 'edge-c0', role: 'cache', region: 'edge' },
  { name: 'core-a0', role: 'agent', region: 'core' },
  { name: 'core-a1', role: 'agent', region: 'core' },
  { name: 'edge-a0', role: 'agent', region: 'edge' },
]

/** What an image is pulled by, and which manifests that may be. */
export interface Pushed {
  readonly repository: string
  readonly tag: string
  /** Every image that ever had the name, the newest last. */
  readonly images: BuiltImage[]
}

export interface WorldKind {
  readonly origin: OriginKind
  /** Whether disks can be frozen. */
  readonly freezes: boolean
}

/** A fleet of real processes, each in a network namespace and on a disk of its own, with an origin and a place for whoever means harm. */
export class World implements AsyncDisposable {
  readonly hosts: ChaosHost[] = []
  readonly pushed: Pushed[] = []
  key: FleetKey = generateFleetKey()
  readonly #resources = new AsyncDisposableStack()
  readonly #images: Images
  readonly #directory: string
  #origin: ChaosOrigin | undefined
  #stranger: Hand | undefined
  #previous: Promise<string> | undefined

  private constructor(images: Images, directory: string) {
    this.#images = images
    this.#directory = directory
  }

  /** Everything that was written is below `directory`, which must be empty. */
  static async open({ origin, freezes }: WorldKind, images: Images, directory: string): Promise<World> {
    const world = new World(images, directory)
    try {
      await world.#build(origin, freezes)
      return world
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  get origin(): ChaosOrigin {
    return present(this.#origin)
  }

  /** In a namespace without a daemon. */
  get stranger(): Hand {
    return present(this.#stranger)
  }

  get agents(): ChaosHost[] {
    return this.hosts.filter(({ place }) => place.role === 'agent')
  }

  get directory(): string {
    return this.#directory
  }

  /** The program of the release before this one. */
  previousRelease(): Promise<string> {
    this.#previous ??= unpackPreviousRelease(join(this.#directory, 'previous'))
    return this.#previous
  }

  /** The next image gets a repository of its own; false when there is none left. */
  async pushNext(): Promise<boolean> {
    const number = this.pushed.length - 1
    const image = this.#images.apps[number]
    if (image === undefined) return false
    const name = { repository: `team/app-${number}`, tag: 'v1' }
    await this.origin.push(name, image)
    this.pushed.push({ ...name, images: [image] })
    return true
  }

  /** The tag that moves gets its next image, if there is one. */
  async moveTag(): Promise<void> {
    const [moving] = this.pushed
    const image = this.#images.moved[moving?.images.length ?? 0]
    if (image === undefined || moving === undefined) return
    // before it is there: a pull may be the first to see it
    moving.images.push(image)
    await this.origin.push(moving, image)
  }

  /** The keys of a host by its role, a line each, the first proves. */
  keyLines(host: ChaosHost, keys: readonly FleetKey[] = [this.key]): string {
    return keyLines(host.place.role, keys)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }

  async #build(kind: OriginKind, freezes: boolean): Promise<void> {
    const resources = this.#resources
    resources.use(await AllowedCongestionControl.open())
    const network = new Network(resources.use(await Namespaces.open()))
    const hand = async (name: string, number: readonly [number, number]): Promise<Hand> => {
      return resources.use(new Hand(await network.add({ name, number, mbps: 0 })))
    }
    const originHand = await hand('origin', [0, 2])
    this.#stranger = await hand('stranger', [0, 3])
    const content = join(this.#directory, 'origin')
    await mkdir(content)
    this.#origin = resources.use(await OPEN_ORIGIN[kind](originHand, content))
    this.pushed.push({ ...MOVING, images: [] })
    await this.moveTag()
    await this.pushNext()
    const hands = new Map<HostPlace, Hand>()
    for (const [index, place] of PLACES.entries()) hands.set(place, await hand(place.name, [1, index + 1]))
    const cachesOf = (wanted: string): string[] => {
      const caches = PLACES.filter(({ role, region }) => role === 'cache' && region === wanted)
      return caches.map((place) => `${hands.get(place)?.host.address}:${PORTS.peer}`)
    }
    for (const role of ['cache', 'agent'] as const) {
      const places = PLACES.filter((place) => place.role === role)
      const started = await eachAtMost(STARTS_AT_ONCE, places, async (place) => {
        const tier = {
          region: place.region,
          caches: cachesOf(place.region),
          parents: place.region === 'edge' ? [{ region: 'core', caches: cachesOf('core') }] : [],
        }
        const upstreams = [{ name: UPSTREAM, access: 'public', origins: [this.origin.config] }]
        const config = { tier, search: [UPSTREAM], upstreams }
        const files = { key: keyLines(role, [this.key]), config, freezes }
        return resources.use(await ChaosHost.start(place, present(hands.get(place)), this.#directory, files))
      })
      this.hosts.push(...started)
    }
  }
}

function keyLines(role: HostPlace['role'], keys: readonly FleetKey[]): string {
  return keys.map((key) => formatFleetKey(role === 'cache' ? key : agentKeyOf(key))).join('\n')
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('not there yet')
  return value
}
