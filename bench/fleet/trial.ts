import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { raceAbort, sleep } from '../../src/base/abort.ts'
import { systemClock } from '../../src/base/clock.ts'
import { errorText, ShoalError } from '../../src/base/errors.ts'
import { AgentProcess } from '../../src/demo/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { eachAtMost } from '../support/each-at-most.ts'
import type { Hand } from './hand.ts'
import type { Pulled } from './hand-tasks.ts'
import { sharedNowMs } from './hand-tasks.ts'
import type { Segment } from './network.ts'
import type { Stage } from './stage.ts'
import { REPOSITORY, TAG, WARM_UP_REPOSITORY } from './stage.ts'
import type { Role, World } from './world.ts'

const PORTS = { mirror: 7070, peer: 7071, admin: 7072 }
const STARTS_AT_ONCE = 3
/** A pull may take this, and so many times what the image takes over one host's link; then the run has failed. */
const LEAST_PULL_TIMEOUT_MS = 60_000
const PULL_TIMEOUT_TIMES = 10
const UPSTREAM = 'registry.test'
export const REFERENCE = `${UPSTREAM}/${REPOSITORY}:${TAG}`
const WARM_UP_REFERENCE = `${UPSTREAM}/${WARM_UP_REPOSITORY}:${TAG}`

/** A daemon on a host of the network, with the hand on the same host. */
export interface TrialNode {
  readonly name: string
  readonly segment: Segment
  readonly hand: Hand
  readonly agent: AgentProcess
}

/** When a host had everything, in seconds: since its own start, and since the trial's first. */
export interface PullTime {
  readonly name: string
  readonly seconds: number
  readonly at: number
}

/** One measured run: fresh daemons with empty stores on a stage. */
export class Trial implements AsyncDisposable {
  readonly stage: Stage
  readonly signal: AbortSignal
  readonly caches: TrialNode[] = []
  readonly hosts: TrialNode[] = []
  /** Nodes that were killed or stopped on purpose: not to be asked anything. */
  readonly down = new Set<TrialNode>()
  readonly #directory: string
  readonly #world: World | undefined
  #startedAtMs: number | undefined

  private constructor(stage: Stage, signal: AbortSignal, world: World | undefined) {
    this.#world = world
    this.stage = stage
    this.signal = signal
    this.#directory = join(stage.directory, 'trial')
  }

  /** Starts the caches, then the agents, and waits until every agent is linked to its cache and has pulled something. */
  static async open(stage: Stage, signal: AbortSignal, world?: World): Promise<Trial> {
    const trial = new Trial(stage, signal, world)
    try {
      await trial.#start()
      return trial
    } catch (error) {
      await trial[Symbol.asyncDispose]()
      throw error
    }
  }

  get nodes(): TrialNode[] {
    return [...this.caches, ...this.hosts]
  }

  /** Seconds since the first pull began. */
  get elapsed(): number {
    return this.#startedAtMs === undefined ? 0 : (sharedNowMs() - this.#startedAtMs) / 1000
  }

  /** Waits until so many seconds after the first pull began. */
  async until(seconds: number): Promise<void> {
    const waitMs = (seconds - this.elapsed) * 1000
    if (waitMs > 0) await sleep(systemClock, waitMs, this.signal)
  }

  /**
   * All of `nodes` pull the image at this moment. Throws when one fails or gets other content than was pushed; `again`: so
   * often a pull that fails begins anew, as runtimes and those who drive them do.
   */
  async pull(nodes: readonly TrialNode[], again = 0): Promise<PullTime[]> {
    const deadline = AbortSignal.timeout(this.#pullTimeoutMs())
    const startedAtMs = sharedNowMs()
    this.#startedAtMs ??= startedAtMs
    const first = this.#startedAtMs
    const { image } = this.stage
    const pulls = nodes.map(async ({ name, hand, agent }) => {
      const { endedAtMs, bytes, manifest } = await pullAgain(hand, agent.mirrorUrl, again).catch((cause: unknown) => {
        throw agent.process.failure(`did not deliver the image: ${errorText(cause)}`)
      })
      if (bytes !== image.sizeBytes || manifest !== image.manifest.digest) {
        throw new ShoalError('CONTENT_CORRUPT', `${name} got ${bytes} bytes of ${manifest}`)
      }
      return { name, seconds: (endedAtMs - startedAtMs) / 1000, at: (endedAtMs - first) / 1000 }
    })
    return raceAbort(Promise.all(pulls), AbortSignal.any([this.signal, deadline]))
  }

  /** Starts pulls whose outcome does not matter: of hosts that will be killed, or are not waited for. */
  pullUnwatched(nodes: readonly TrialNode[]): void {
    this.pull(nodes).catch(() => {})
  }

  async kill(nodes: readonly TrialNode[], signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
    for (const node of nodes) this.down.add(node)
    await Promise.all(nodes.map(({ agent }) => agent.kill(signal)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.nodes.map(({ hand }) => hand.abandon()))
    await Promise.allSettled(this.nodes.map(({ agent }) => agent[Symbol.asyncDispose]()))
    await rm(this.#directory, { recursive: true, force: true })
  }

  #pullTimeoutMs(): number {
    const { rates, image, plan } = this.stage
    const fastest = Math.max(...plan.hosts.map(({ mbps }) => mbps))
    return Math.ceil(LEAST_PULL_TIMEOUT_MS + (PULL_TIMEOUT_TIMES * image.sizeBytes * 1000) / rates.link(fastest))
  }

  async #start(): Promise<void> {
    const { stage, signal } = this
    const cacheKey = generateFleetKey()
    const keys = { cache: formatFleetKey(cacheKey), agent: formatFleetKey(agentKeyOf(cacheKey)) }
    for (const [role, key] of Object.entries(keys)) {
      await writeFile(join(stage.directory, `${role}.key`), key, { mode: 0o600 })
    }
    const segments: Segment[] = stage.plan.wan === undefined ? ['a'] : ['a', 'b']
    for (const segment of segments) {
      await this.#startNode(stage.cacheHand(segment), 'cache', segment)
    }
    const hands = stage.hostHands
    await eachAtMost(STARTS_AT_ONCE, hands, async (hand, index) => {
      signal.throwIfAborted()
      await this.#startNode(hand, 'agent', stage.plan.hosts[index]?.segment ?? 'a')
    })
    this.hosts.sort((a, b) => hands.indexOf(a.hand) - hands.indexOf(b.hand))
    for (const { agent } of this.hosts) {
      await agent.process.waitUntil('linked to its cache', async () => {
        return (await agent.metrics()).sum('shoal_peers', { role: 'cache', state: 'linked' }) > 0
      })
    }
    // A daemon runs for weeks: compiling its code is no part of a pull, and sixteen of them doing that at the same moment
    // on a few shared cores would be all that is measured. So all have pulled another, smaller image before.
    signal.throwIfAborted()
    await Promise.all(this.hosts.map(({ hand, agent }) => hand.pull(agent.mirrorUrl, WARM_UP_REFERENCE)))
  }

  async #startNode(hand: Hand, role: Role, segment: Segment): Promise<void> {
    const { name } = hand.host
    const agent = await AgentProcess.start(
      {
        name,
        role,
        directory: join(this.#directory, name),
        ports: PORTS,
        place: hand.place,
        env: {},
        config: this.#config(role, segment),
      },
      this.signal,
    )
    const nodes = role === 'cache' ? this.caches : this.hosts
    nodes.push({ name, segment, hand, agent })
  }

  #config(role: Role, segment: Segment): Record<string, unknown> {
    const { stage } = this
    const { relay } = stage
    const parents = segment === 'a' || relay === undefined ? [] : [{ region: 'a', caches: [relay.cacheAddress] }]
    const endpoint = segment === 'a' || relay === undefined ? stage.origin.endpoint : relay.originUrl
    const origin = this.#world?.originOf?.(role) ?? { ...stage.origin.agentConfig(), endpoint }
    return {
      tier: { region: segment, caches: [`${stage.cacheHand(segment).host.address}:${PORTS.peer}`], parents },
      fleet: { keyFile: join(stage.directory, `${role}.key`) },
      search: [UPSTREAM],
      upstreams: [{ name: UPSTREAM, access: 'node', origins: [origin] }],
    }
  }
}

async function pullAgain(hand: Hand, mirror: string, again: number): Promise<Pulled> {
  try {
    return await hand.pull(mirror, REFERENCE)
  } catch (error) {
    if (again === 0) throw error
    return pullAgain(hand, mirror, again - 1)
  }
}
