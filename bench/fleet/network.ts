import { z } from 'zod'
import { runCommand } from './command.ts'
import { useCongestionControl } from './congestion.ts'
import type { Namespaces } from './namespaces.ts'
import { overlimits, reshape, shape, shapedBytes } from './shaping.ts'
import type { Traffic } from './timeline.ts'

/** A network of its own: hosts of one segment reach each other and nobody else. */
export type Segment = 'a' | 'b'

export interface HostSpec {
  readonly name: string
  /** The last two parts of its address. */
  readonly number: readonly [number, number]
  /** Both ways; 0 = as fast as memory. */
  readonly mbps: number
  readonly segment?: Segment | undefined
}

/** A network namespace with one shaped link into its segment's switch. */
export interface NetworkHost {
  readonly name: string
  readonly namespace: string
  readonly address: string
  readonly mbps: number
}

const linkSchema = z.array(
  z.object({
    ifname: z.string(),
    stats64: z.object({ tx: z.object({ bytes: z.number() }), rx: z.object({ bytes: z.number() }) }),
  }),
)
const DEVICE = 'eth0'
const SEGMENT_NET: Readonly<Record<Segment, string>> = { a: '10.213', b: '10.214' }

/**
 * Hosts around a switch, all in namespaces: the machine's own interfaces, bridges and packet filters are not touched
 * (a bridge in the machine's own namespace would fall under the rules that container engines put there).
 */
export class Network {
  readonly hosts: NetworkHost[] = []
  readonly #namespaces: Namespaces
  readonly #switches = new Map<Segment, string>()
  /** Where the switch's end of each host's link is. */
  readonly #ports = new Map<string, { readonly namespace: string; readonly device: string }>()

  constructor(namespaces: Namespaces) {
    this.#namespaces = namespaces
  }

  /** Upload is limited where it leaves the host, download where it leaves the switch: both queue, neither drops early. */
  async add({ name, number, mbps, segment = 'a' }: HostSpec): Promise<NetworkHost> {
    const namespace = await this.#namespaces.add(name)
    await useCongestionControl(namespace)
    const port = `p-${name}`
    const address = await this.#plug(namespace, DEVICE, port, { number, mbps, segment })
    this.#ports.set(name, { namespace: await this.#switch(segment), device: port })
    const host = { name, namespace, address, mbps }
    this.hosts.push(host)
    return host
  }

  /** A second leg of a host, into another segment. */
  async connect(host: NetworkHost, spec: Pick<HostSpec, 'number' | 'mbps'> & { segment: Segment }): Promise<string> {
    return this.#plug(host.namespace, 'eth1', `q-${host.name}`, spec)
  }

  /** Changes what a host may send, from now on. */
  setUplink({ namespace }: NetworkHost, mbps: number): Promise<void> {
    return reshape(namespace, DEVICE, mbps)
  }

  /** How often the shapers of a host's link made packets wait so far. */
  async overlimits(host: NetworkHost): Promise<{ readonly up: number; readonly down: number }> {
    const port = this.#ports.get(host.name)
    const down = port === undefined ? 0 : await overlimits(port.namespace, port.device)
    return { up: await overlimits(host.namespace, DEVICE), down }
  }

  /** Bytes that left a host since its link was made, frames and all. */
  async sentBytes(host: NetworkHost): Promise<number> {
    const output = await runCommand('ip', '-n', host.namespace, '-s', '-j', 'link', 'show', 'dev', DEVICE)
    return linkSchema.parse(JSON.parse(output))[0]?.stats64.tx.bytes ?? 0
  }

  /** Bytes so far in either direction, by host: down as they are on the wire, up as the host's kernel counts them. */
  async traffic(): Promise<Map<string, Traffic>> {
    const up = new Map<string, number>()
    const down = new Map<string, number>()
    for (const namespace of this.#switches.values()) {
      const [links, shaped] = await Promise.all([
        runCommand('ip', '-n', namespace, '-s', '-j', 'link', 'show', 'type', 'veth'),
        shapedBytes(namespace),
      ])
      // what the switch receives is what the host sends
      for (const { ifname, stats64 } of linkSchema.parse(JSON.parse(links))) up.set(ifname, stats64.rx.bytes)
      for (const [device, bytes] of shaped) down.set(device, bytes)
    }
    const traffic = new Map<string, Traffic>()
    for (const [name, { device }] of this.#ports) {
      if (up.has(device)) traffic.set(name, { up: up.get(device) ?? 0, down: down.get(device) ?? 0 })
    }
    return traffic
  }

  async #plug(
    namespace: string,
    device: string,
    port: string,
    { number, mbps, segment }: { number: readonly [number, number]; mbps: number; segment: Segment },
  ): Promise<string> {
    const switching = await this.#switch(segment)
    const address = `${SEGMENT_NET[segment]}.${number.join('.')}`
    const ip = (where: string, ...args: string[]): Promise<string> => runCommand('ip', '-n', where, ...args)
    await ip(switching, 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', namespace)
    await ip(switching, 'link', 'set', port, 'master', 'br0', 'up')
    await ip(namespace, 'addr', 'add', `${address}/16`, 'dev', device)
    await ip(namespace, 'link', 'set', device, 'up')
    if (mbps > 0) await Promise.all([shape(namespace, device, mbps), shape(switching, port, mbps)])
    return address
  }

  async #switch(segment: Segment): Promise<string> {
    const known = this.#switches.get(segment)
    if (known !== undefined) return known
    const name = await this.#namespaces.add(`switch-${segment}`)
    this.#switches.set(segment, name)
    await runCommand('ip', '-n', name, 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0')
    await runCommand('ip', '-n', name, 'link', 'set', 'br0', 'up')
    return name
  }
}
