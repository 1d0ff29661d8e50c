import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ShoalError } from '../../src/base/errors.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import { buildImage, commandIn, ManagedProcess, S3Origin, writeToBucketTree } from '../../src/demo/index.ts'
import { eachAtMost } from '../support/each-at-most.ts'
import { removeLeftoverDirectories, scratchDirectory } from '../support/scratch.ts'
import type { Calibration } from './calibration.ts'
import { calibrate, goodput } from './calibration.ts'
import { AllowedCongestionControl } from './congestion.ts'
import { Hand } from './hand.ts'
import { Namespaces } from './namespaces.ts'
import type { NetworkHost, Segment } from './network.ts'
import { Network } from './network.ts'
import type { StagePlan } from './plan.ts'
import { sumOf } from './plan.ts'
import { WanRelay } from './wan-relay.ts'

const FILL_PROGRAM = fileURLToPath(new URL('./fill-bucket-main.ts', import.meta.url))
const STARTS_AT_ONCE = 4
export const REPOSITORY = 'library/app'
export const WARM_UP_REPOSITORY = 'library/warm-up'
export const TAG = '1'
const WARM_UP_LAYER_SIZES = [8, 8, 8, 8].map((mib) => mib * 1024 * 1024)

/** Payload rates in bytes per second, as calibrated. */
export interface Rates {
  readonly origin: number
  readonly cache: number
  hosts(hosts: readonly NetworkHost[]): number[]
  /** Of any other link, from its rate in megabits. */
  link(mbps: number): number
  /** The same with headers and acknowledgements: the bytes that its shaper counts. */
  wire(mbps: number): number
}

/**
 * The network with a hand on every host, the origin with the image in it, and what the links were measured to carry. No
 * daemon yet. Disposing removes all of it.
 */
export class Stage implements AsyncDisposable {
  readonly plan: StagePlan
  readonly signal: AbortSignal
  readonly #resources = new AsyncDisposableStack()
  readonly #hands = new Map<string, Hand>()
  #network: Network | undefined
  #origin: S3Origin | undefined
  #image: BuiltImage | undefined
  #calibration: Calibration | undefined
  #relay: WanRelay | undefined
  #directory = ''

  private constructor(plan: StagePlan, signal: AbortSignal) {
    this.plan = plan
    this.signal = signal
  }

  static async open(plan: StagePlan, signal: AbortSignal, say: (what: string) => void): Promise<Stage> {
    const stage = new Stage(plan, signal)
    try {
      await stage.#build(say)
      return stage
    } catch (error) {
      await stage[Symbol.asyncDispose]()
      throw error
    }
  }

  get network(): Network {
    return present(this.#network)
  }
  get origin(): S3Origin {
    return present(this.#origin)
  }
  get image(): BuiltImage {
    return present(this.#image)
  }
  get calibration(): Calibration {
    return present(this.#calibration)
  }
  get relay(): WanRelay | undefined {
    return this.#relay
  }
  get directory(): string {
    return this.#directory
  }
  /** The image in Distribution's layout, as a directory. */
  get tree(): string {
    return join(this.#directory, 'tree')
  }
  get originHand(): Hand {
    return this.hand('origin')
  }

  cacheHand(segment: Segment = 'a'): Hand {
    return this.hand(segment === 'a' ? 'cache' : 'cache-b')
  }

  /** Of the hosts that pull, in order. */
  get hostHands(): Hand[] {
    return this.plan.hosts.map((_, index) => this.hand(`host-${index}`))
  }

  hand(name: string): Hand {
    return present(this.#hands.get(name))
  }

  get rates(): Rates {
    const { cacheMbps, originMbps, hosts } = this.plan
    const fastest = Math.max(...hosts.map(({ mbps }) => mbps))
    const factor = this.calibration.host / goodput(fastest)
    const link = (mbps: number): number => factor * goodput(mbps)
    // With few hosts the cache's own link was not what limited its calibration.
    const filled = cacheMbps < 0.9 * sumOf(hosts.map(({ mbps }) => mbps))
    return {
      origin: link(originMbps),
      cache: filled ? this.calibration.cache : link(cacheMbps),
      hosts: (some) => some.map(({ mbps }) => link(mbps)),
      link,
      wire: (mbps) => (factor * mbps * 1e6) / 8,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }

  async #build(say: (what: string) => void): Promise<void> {
    const { plan, signal } = this
    await removeLeftoverDirectories()
    const bytes = sumOf(plan.layerSizes)
    const directory = await scratchDirectory(bytes * (plan.hosts.length + 6))
    this.#directory = directory
    this.#resources.defer(() => rm(directory, { recursive: true, force: true }))
    say(`network: ${plan.hosts.length} hosts, origin ${plan.originMbps} Mb/s, cache ${plan.cacheMbps} Mb/s`)
    this.#resources.use(await AllowedCongestionControl.open())
    this.#network = new Network(this.#resources.use(await Namespaces.open()))
    const hosts = await this.#addHosts(this.#network)
    await eachAtMost(STARTS_AT_ONCE, hosts, async (host) => {
      signal.throwIfAborted()
      this.#hands.set(host.name, this.#resources.use(await Hand.start(host)))
    })
    say('content: making the image and filling the bucket')
    await this.#fill()
    if (plan.wan !== undefined) {
      this.#relay = this.#resources.use(
        await WanRelay.start(this.hand('wan'), plan.wan.delayMs, await this.#relayTargets(this.#network)),
      )
    }
    say('calibration: raw TCP over every link')
    const fastest = Math.max(...plan.hosts.map(({ mbps }) => mbps))
    const ring = this.hostHands.filter(
      (hand, index) => hand.host.mbps === fastest && plan.hosts[index]?.segment === 'a',
    )
    signal.throwIfAborted()
    this.#calibration = await calibrate(ring, this.cacheHand(), fastest)
  }

  async #addHosts(network: Network): Promise<NetworkHost[]> {
    const { hosts, cacheMbps, originMbps, wan } = this.plan
    await network.add({ name: 'origin', number: [0, 2], mbps: originMbps })
    await network.add({ name: 'cache', number: [0, 3], mbps: cacheMbps })
    if (wan !== undefined) {
      await network.add({ name: 'cache-b', number: [0, 3], mbps: cacheMbps, segment: 'b' })
      await network.add({ name: 'wan', number: [0, 9], mbps: wan.mbps })
    }
    for (const [index, { mbps, segment }] of hosts.entries()) {
      this.signal.throwIfAborted()
      await network.add({ name: `host-${index}`, number: [1, index + 1], mbps, segment })
    }
    return network.hosts
  }

  async #relayTargets(network: Network): Promise<{ address: string; originUrl: string; cacheAddress: string }> {
    const address = await network.connect(this.hand('wan').host, { number: [0, 9], mbps: 0, segment: 'b' })
    return { address, originUrl: this.origin.endpoint, cacheAddress: this.cacheHand('a').host.address }
  }

  async #fill(): Promise<void> {
    const { signal, plan } = this
    const image = await buildImage(join(this.#directory, 'blobs'), { layerSizes: plan.layerSizes }, signal)
    this.#image = image
    await writeToBucketTree(this.tree, { repository: REPOSITORY, tag: TAG }, image)
    const other = { layerSizes: WARM_UP_LAYER_SIZES, seed: 2 }
    const warmUp = await buildImage(join(this.#directory, 'warm-up-blobs'), other, signal)
    await writeToBucketTree(this.tree, { repository: WARM_UP_REPOSITORY, tag: TAG }, warmUp)
    const { place } = this.originHand
    const origin = this.#resources.use(await S3Origin.start('images', place, this.#directory))
    this.#origin = origin
    const what = JSON.stringify({ endpoint: origin.endpoint, bucket: origin.bucket, root: this.tree })
    const command = commandIn(place, process.execPath, [FILL_PROGRAM, what])
    await using fill = await ManagedProcess.start({ name: 'filling the bucket', ...command })
    if ((await fill.exited) !== 'exit code 0') throw fill.failure('failed')
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new ShoalError('UNAVAILABLE', 'this part of the stage was not planned')
  return value
}
