import { runCommand } from '../../../bench/fleet/command.ts'
import { shape } from '../../../bench/fleet/shaping.ts'
import type { Fault } from './fault.ts'
import { anyHost } from './fault.ts'

const DEVICE = 'eth0'
const SLOW_MBPS = 2
const SMALL_MTU = '600'
const MTU = '1500'
const SHARE_LOST = '0.05'

type Rule = readonly string[]
const COMING: Rule = ['INPUT', '-i', DEVICE]
const GOING: Rule = ['OUTPUT', '-o', DEVICE]
const DROP: Rule = ['-j', 'DROP']
const SOME: Rule = ['-m', 'statistic', '--mode', 'random', '--probability', SHARE_LOST]

/** Packets that a host's own filter drops: nobody is told. */
function dropping(what: string, rules: readonly Rule[], copies: number): Fault {
  return {
    what,
    copies,
    refuses: true,
    async inject(world, draw) {
      const { namespace } = anyHost(world, draw).hand.host
      const filter = async (how: '-A' | '-D'): Promise<void> => {
        for (const rule of rules) await runCommand('ip', 'netns', 'exec', namespace, 'iptables', '-w', how, ...rule)
      }
      await filter('-A')
      return () => filter('-D')
    },
  }
}

export const linkCut = dropping(
  "a host's link is cut",
  [
    [...COMING, ...DROP],
    [...GOING, ...DROP],
  ],
  1,
)
export const linkOneWay = dropping('what a host sends is lost, what it is sent arrives', [[...GOING, ...DROP]], 1)
export const linkLossy = dropping(
  'a twentieth of all packets is lost, both ways',
  [
    [...COMING, ...SOME, ...DROP],
    [...GOING, ...SOME, ...DROP],
  ],
  1,
)

export const linkSlow: Fault = {
  what: `a host may send ${SLOW_MBPS} Mb/s`,
  copies: 1,
  refuses: true,
  async inject(world, draw) {
    const { namespace } = anyHost(world, draw).hand.host
    await runCommand('tc', '-n', namespace, 'qdisc', 'del', 'dev', DEVICE, 'root').catch(() => {})
    await shape(namespace, DEVICE, SLOW_MBPS)
    return async () =>
      void (await runCommand('tc', '-n', namespace, 'qdisc', 'del', 'dev', DEVICE, 'root').catch(() => {}))
  },
}

export const linkSmallMtu: Fault = {
  what: `a host's link carries ${SMALL_MTU} bytes a packet, and nobody is told`,
  copies: 1,
  refuses: true,
  async inject(world, draw) {
    const { namespace } = anyHost(world, draw).hand.host
    const set = (mtu: string): Promise<string> => runCommand('ip', '-n', namespace, 'link', 'set', DEVICE, 'mtu', mtu)
    await set(SMALL_MTU)
    return async () => void (await set(MTU))
  },
}

/** The last part of an address that no host has. */
const OTHER_PART = 100

export const addressChanged: Fault = {
  what: 'a host has another address, and gets the first back',
  copies: 1,
  refuses: true,
  async inject(world, draw) {
    const { namespace, address } = anyHost(world, draw).hand.host
    const parts = address.split('.').map(Number)
    const other = [...parts.slice(0, 3), OTHER_PART + (parts[3] ?? 0)].join('.')
    const change = async (from: string, to: string): Promise<void> => {
      await runCommand('ip', '-n', namespace, 'addr', 'del', `${from}/16`, 'dev', DEVICE)
      await runCommand('ip', '-n', namespace, 'addr', 'add', `${to}/16`, 'dev', DEVICE)
    }
    await change(address, other)
    return () => change(other, address)
  },
}
