import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { raceAbort } from '../../../src/base/abort.ts'
import { commandIn, ManagedProcess } from '../../../src/demo/index.ts'
import { eachAtMost } from '../../support/each-at-most.ts'
import { swarmBound } from '../bounds.ts'
import { runCommand } from '../command.ts'
import type { Hand } from '../hand.ts'
import { sharedNowMs } from '../hand-tasks.ts'
import type { Stage } from '../stage.ts'
import type { Baseline } from './baseline.ts'

const PROGRAM = fileURLToPath(new URL('./libtorrent-peer.py', import.meta.url))
/** Debian's own: a python from elsewhere does not see Debian's modules. */
const PYTHON = '/usr/bin/python3'
const PULL_TIMEOUT_MS = 30 * 60_000
const STARTS_AT_ONCE = 4

const lineSchema = z.union([z.object({ ready: z.literal(true) }), z.object({ endedAtMs: z.number() })])
type Line = z.infer<typeof lineSchema>

/**
 * The mature swarm: libtorrent, its seed where the cache is, everybody told of everybody. It starts with the content in the
 * seed, so it compares with `warm`. Bound: as there.
 */
export const libtorrent: Baseline = {
  summary: 'libtorrent, its seed in the place of the cache (compare with warm)',
  needs: 'python3-libtorrent',
  async installed() {
    return runCommand(PYTHON, '-c', 'import libtorrent').then(
      () => true,
      () => false,
    )
  },
  async run(stage) {
    await using resources = new AsyncDisposableStack()
    const torrent = join(stage.directory, 'image.torrent')
    await runCommand(PYTHON, PROGRAM, 'make', torrent, join(stage.directory, 'blobs'))
    const all = [stage.cacheHand(), ...stage.hostHands]
    const start = async (hand: Hand): Promise<ManagedProcess> => {
      const seed = hand === stage.cacheHand()
      const directory = seed ? stage.directory : await mkdtemp(join(stage.directory, 'torrent-'))
      const others = all.filter((one) => one !== hand).map(({ host }) => host.address)
      const peer = await startPeer(hand, { torrent, directory, seed, peers: seed ? [] : others })
      return resources.use(peer)
    }
    await start(stage.cacheHand())
    const peers = await eachAtMost(STARTS_AT_ONCE, stage.hostHands, start)
    const startedAtMs = sharedNowMs()
    for (const peer of peers) peer.signal('SIGUSR1')
    const seconds = await raceAbort(Promise.all(peers.map((peer) => untilDone(peer, startedAtMs))), stage.signal)
    return { seconds, last: Math.max(...seconds), bound: swarmBound(stage.rates.cache, receiversOf(stage)) }
  },
}

async function startPeer(
  hand: Hand,
  settings: { torrent: string; directory: string; seed: boolean; peers: readonly string[] },
): Promise<ManagedProcess> {
  const text = JSON.stringify({ ...settings, address: hand.host.address })
  const command = commandIn(hand.place, PYTHON, [PROGRAM, 'peer', text])
  const peer = await ManagedProcess.start({ name: `libtorrent on ${hand.host.name}`, ...command })
  try {
    await peer.waitForLine('ready', (line) => lineOf(line))
    return peer
  } catch (error) {
    await peer.stop()
    throw error
  }
}

async function untilDone(peer: ManagedProcess, startedAtMs: number): Promise<number> {
  const done = (line: string): { endedAtMs: number } | undefined => {
    const parsed = lineOf(line)
    return parsed !== undefined && 'endedAtMs' in parsed ? parsed : undefined
  }
  const { endedAtMs } = await peer.waitForLine('the whole torrent', done, PULL_TIMEOUT_MS)
  return (endedAtMs - startedAtMs) / 1000
}

function lineOf(text: string): Line | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

function receiversOf(stage: Stage): Parameters<typeof swarmBound>[1] {
  const rates = stage.rates.hosts(stage.hostHands.map(({ host }) => host))
  return { bytes: stage.image.sizeBytes, downloads: rates, uploads: rates }
}
