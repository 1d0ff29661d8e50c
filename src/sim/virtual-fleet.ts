import type { Rng } from '../base/rng.ts'
import { rankHomes } from '../scheduler/index.ts'
import type { SwarmOptions } from './swarm-options.ts'
import type { HostSpec, Surroundings } from './virtual-host.ts'
import { VirtualHost } from './virtual-host.ts'
import type { VirtualNetwork } from './virtual-network.ts'

const SLOW_UPLINK = 0.1

/** Who is there: caches first, then leechers, their links, and which cache is home of what. */
export class VirtualFleet {
  readonly hosts: VirtualHost[] = []
  readonly leechers: VirtualHost[] = []
  /** Home of each blob, by region; the last region is the core, when there is one. */
  readonly homes: Map<number, VirtualHost>[] = []
  /** Uplinks, by host. */
  readonly rates: number[] = []
  readonly #options: SwarmOptions
  readonly #rng: Rng
  readonly #network: VirtualNetwork

  constructor(options: SwarmOptions, rng: Rng, world: Surroundings, network: VirtualNetwork) {
    this.#options = options
    this.#rng = rng
    this.#network = network
    this.#addCaches(world)
    for (let n = 0; n < options.hosts; n++) this.leechers.push(this.#addLeecher(n, world))
  }

  #addCaches(world: Surroundings): void {
    const { regions, caches, cacheRatio, blobs } = this.#options
    const all = regions > 1 ? regions + 1 : 1
    for (let region = 0; region < all; region++) {
      const ids = Array.from({ length: caches }, (_, n) => `cache-${region * caches + n}`)
      const homes = new Map<number, number>()
      for (const { blob } of blobs) homes.set(blob, Number(rankHomes(`blob-${blob}`, ids)[0]!.slice('cache-'.length)))
      for (let n = 0; n < caches; n++) {
        const id = this.hosts.length
        const own = blobs.filter(({ blob }) => homes.get(blob) === id)
        this.rates[id] = cacheRatio * this.#options.hostRate
        const spec = { id, blobs: own, role: 'cache', region, zone: n, dead: false } as const
        this.#addHost({ ...spec, seeder: this.#options.homeSeeder }, world)
      }
      this.homes.push(new Map([...homes].map(([blob, id]) => [blob, this.hosts[id]!])))
    }
  }

  #addLeecher(n: number, world: Surroundings): VirtualHost {
    const { slow, dead, hostRate, regions, zones, blobs, seeder } = this.#options
    const luck = this.#rng.next()
    const id = this.hosts.length
    const isDead = luck < dead
    this.rates[id] = !isDead && luck < dead + slow ? SLOW_UPLINK * hostRate : hostRate
    const zone = Math.floor(n / regions) % zones
    return this.#addHost({ id, blobs, role: 'agent', region: n % regions, zone, dead: isDead, seeder }, world)
  }

  #addHost(fields: Omit<HostSpec, 'leecher' | 'audited'>, world: Surroundings): VirtualHost {
    const { leecher, audited, hostRate, cacheRatio } = this.#options
    const host = new VirtualHost({ ...fields, leecher, audited }, world)
    const down = fields.role === 'cache' ? cacheRatio * hostRate : hostRate
    this.#network.addHost(fields.id, { up: this.rates[fields.id]!, down })
    this.hosts.push(host)
    return host
  }
}
