import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import { seededRng } from '../../src/base/rng.ts'
import type { PeerLink, SwarmOptions } from '../../src/swarm/index.ts'
import type { Home, TierOptions } from '../../src/tier/index.ts'
import { Tier } from '../../src/tier/index.ts'
import type { TestHost } from './swarm-support.ts'
import { RecordedLogger, soon, TestFleet } from './swarm-support.ts'

export const KEYS = Array.from({ length: 40 }, (_, i) => `registry.test/app-${i}:v1`)
export const NOWHERE = '127.0.0.1:1'
interface TierSetup extends Partial<TierOptions> {
  readonly clock?: Clock
  readonly logger?: RecordedLogger
  readonly lookup?: (name: string) => Promise<string[]>
}

export async function fleetOf(t: TestContext): Promise<TestFleet> {
  const fleet = await TestFleet.create()
  t.after(() => fleet[Symbol.asyncDispose]())
  return fleet
}

export async function hostsOf(
  fleet: TestFleet,
  count: number,
  options: Partial<SwarmOptions> = {},
): Promise<TestHost[]> {
  const hosts: TestHost[] = []
  while (hosts.length < count) hosts.push(await fleet.host(options))
  return hosts
}

/** A tier on a host, told when links end; it has tried every address once. */
export async function tierOn(t: TestContext, host: TestHost, setup: TierSetup = {}): Promise<Tier> {
  const {
    clock = systemClock,
    logger = new RecordedLogger(),
    lookup = async () => [],
    caches = [],
    parents = [],
    graceMs = 0,
  } = setup
  const deps = { swarm: host.swarm, clock, logger, lookup, rng: seededRng(1) }
  const tier = Tier.start({ caches, parents, graceMs }, deps)
  const { linked, unlinked } = host.events
  host.events.linked = (link) => {
    linked.call(host.events, link)
    tier.linked(link)
  }
  host.events.unlinked = (link) => {
    unlinked.call(host.events, link)
    tier.unlinked(link)
  }
  t.after(() => tier[Symbol.asyncDispose]())
  await tier.settled(soon())
  return tier
}

export function ranking(host: TestHost, homes: readonly Home[]): string[] {
  return homes.map((home) => (home.kind === 'self' ? host.swarm.self.key : home.link.peer.key))
}

/** Answers who this host's neighbours are, as hosts do. */
export function namesMembers(
  host: TestHost,
  tier: Tier,
  named: (link: PeerLink, most: number) => void = () => {},
): void {
  host.events.request = async (link, name, _body, signal) => {
    assert.equal(name, 'members')
    const answer = await tier.handlers.members(link, { limit: 64 }, signal)
    if (answer.kind === 'members') named(link, answer.peers.length)
    return answer
  }
}

/** Minutes pass in seconds. */
export const hurried: Clock = {
  now: () => systemClock.now() * 20,
  wall: () => systemClock.wall(),
  after: (ms, fn) => systemClock.after(ms / 20, fn),
}

export const addressesOf = (hosts: readonly TestHost[]): string[] => hosts.map(({ address }) => address)
export const keyOf = (host: TestHost): string => host.swarm.self.key
