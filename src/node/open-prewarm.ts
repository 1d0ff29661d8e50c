import { statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { PrewarmSource } from '../admin/index.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Config } from '../config/index.ts'
import { parseReference, wholeReferenceText } from '../oci/reference.ts'
import type {
  ImageLoader,
  LoadRuntime,
  OfficeDeps,
  Orders,
  PrewarmService,
  PrewarmSpec,
  PrewarmView,
} from '../prewarm/index.ts'
import {
  ContainerdLoader,
  DockerLoader,
  jobOrder,
  newJobId,
  PrewarmOffice,
  parsePrewarmPatch,
  parsePrewarmSpec,
  roomOf,
} from '../prewarm/index.ts'
import type { Order } from '../trust/index.ts'
import { hostPlatform } from './prewarm-entrances.ts'

export interface OpenPrewarmDeps
  extends Pick<
    OfficeDeps,
    'logger' | 'registry' | 'store' | 'swarm' | 'tier' | 'transfers' | 'images' | 'pins' | 'hostRate'
  > {
  /** This host's mirror, `host:port`: known once it listens. */
  readonly mirror: () => string
}

/** This host's part in prewarm jobs, from its configuration. */
export function openPrewarm(config: Config, { mirror, ...deps }: OpenPrewarmDeps): PrewarmOffice {
  const { store } = deps
  const freeBytes = async (): Promise<number> => {
    // while its disk takes nothing a host has no room
    const { state } = store.usage()
    if (state !== 'ok' && state !== 'full') return 0
    const { bavail, bsize } = await statfs(config.store.path)
    return roomOf(store, bavail * bsize, config.store.minFreeBytes)
  }
  const loader = (runtime: LoadRuntime): ImageLoader => openLoader(config, runtime, mirror())
  return new PrewarmOffice(
    { ...deps, freeBytes, loader, clock: systemClock, now: Date.now },
    { name: hostname(), labels: config.tier.labels, platform: hostPlatform() },
  )
}

function openLoader({ prewarm, store }: Config, runtime: LoadRuntime, mirror: string): ImageLoader {
  if (runtime === 'docker') return new DockerLoader({ socketPath: prewarm.docker.socket, mirror })
  const { socket, namespace, snapshotter, client } = prewarm.containerd
  return new ContainerdLoader({
    ...{ socketPath: socket, namespace, command: client, mirror },
    snapshotter: snapshotter ?? undefined,
    hostsDir: join(store.path, 'containerd-hosts'),
  })
}

/** How this host reads the names of images. */
export interface KnownUpstreams {
  /** What a name without a registry means. */
  readonly first: () => string
  /** Whether an upstream is configured. */
  readonly has: (upstream: string) => boolean
}

/** Prewarm as the admin door asks for it: reads what people write, and completes image names as this host means them. */
export class PrewarmDoorway implements PrewarmSource {
  readonly #service: PrewarmService
  readonly #orders: Orders
  readonly #upstreams: KnownUpstreams

  constructor({ service, orders }: Pick<PrewarmOffice, 'service' | 'orders'>, upstreams: KnownUpstreams) {
    this.#service = service
    this.#orders = orders
    this.#upstreams = upstreams
  }

  start(request: unknown, id: string | undefined, signal: AbortSignal): ReturnType<PrewarmService['submit']> {
    return this.#service.submit(this.#orders.begin(id ?? newJobId(Date.now()), this.#spec(request)), signal)
  }

  plan(request: unknown, signal: AbortSignal): ReturnType<PrewarmService['plan']> {
    return this.#service.plan(this.#spec(request), signal)
  }

  list(signal: AbortSignal): ReturnType<PrewarmService['list']> {
    return this.#service.list(signal)
  }

  show(id: string, signal: AbortSignal): ReturnType<PrewarmService['show']> {
    return this.#service.show(id, signal)
  }

  hosts(id: string, signal: AbortSignal): ReturnType<PrewarmService['hosts']> {
    return this.#service.hosts(id, signal)
  }

  async edit(id: string, patch: unknown, signal: AbortSignal): Promise<PrewarmView> {
    const changes = parsePrewarmPatch(patch)
    const { orderedEpochMs } = await this.#service.show(id, signal)
    return this.#service.edit(this.#orders.change(id, changes, orderedEpochMs), signal)
  }

  async obey(order: Order, id: string | undefined, signal: AbortSignal): Promise<PrewarmView> {
    const said = jobOrder(order)
    if (said === undefined || (id !== undefined && said.id !== id)) {
      throw new ShoalError(
        'PREWARM_INVALID',
        id === undefined ? 'the order is about no job' : `the order is not about ${id}`,
      )
    }
    return said.verb === 'prewarm' ? this.#service.submit(order, signal) : this.#service.edit(order, signal)
  }

  #spec(request: unknown): PrewarmSpec {
    const spec = parsePrewarmSpec(request)
    const { first, has } = this.#upstreams
    const images = spec.images.map((text) => wholeReferenceText(parseReference(text, first(), has)))
    return { ...spec, images: [...new Set(images)] }
  }
}
