// What a piece channel costs: two processes on loopback, one sends 512 MiB to the other through a real link, by stream
// and by TLS. Prints MiB/s and the CPU seconds per GiB of each side, medians, and stream over tls as ratios.
//
//   node bench/host/piece-channel.ts [--mib 512] [--runs 3] [--json]
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { PeerLink, PieceChannelKind, SwarmEvents } from '../../src/swarm/index.ts'
import { Libp2pSwarm, LOOPBACK_KEY } from '../../src/swarm/index.ts'

const MIB = 1024 * 1024
const PIECE_BYTES = MIB
/** As a leecher asks one neighbour. */
const OUTSTANDING = 2
/** Before the clock starts: enough for TLS to have taken over and for the code to be compiled. */
const WARM_UP_MIB = 64
const BLOB = `sha256:${'00'.repeat(32)}` as Digest
const never = new AbortController().signal

interface Run {
  readonly mibPerSec: number
  readonly senderCpuSecPerGib: number
  readonly receiverCpuSecPerGib: number
}

function startSwarm(kind: PieceChannelKind, directory: string, events: Partial<SwarmEvents>): Promise<Libp2pSwarm> {
  const identity = { role: 'agent', region: 'bench', zone: null, fleetKey: LOOPBACK_KEY } as const
  const quiet: SwarmEvents = { linked() {}, unlinked() {}, message() {}, call: () => new Promise(() => {}) }
  return Libp2pSwarm.start(
    { ...identity, listen: '127.0.0.1:0', identityPath: join(directory, `${process.pid}-${kind}`), pieceChannel: kind },
    { events: { ...quiet, ...events }, clock: systemClock, logger: silentLogger, metrics: noMetrics },
  )
}

/** The other process: sends whatever is asked for, and tells its CPU time. */
async function runSender(kind: PieceChannelKind, directory: string): Promise<void> {
  const bytes = new Uint8Array(randomBytes(PIECE_BYTES))
  await using swarm = await startSwarm(kind, directory, {
    message: (link, message) => {
      if (message.type === 'request') void link.sendPiece(message.id, message.piece, bytes, never)
    },
  })
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }))
  process.send?.({ address: swarm.self.addresses[0] })
  await once(process, 'disconnect')
}

/** Asks for pieces, a few at a time, until all are in. */
function receive(link: PeerLink, pieces: number, firstId: number): Promise<void> {
  return new Promise((resolve) => {
    let [asked, done] = [0, 0]
    const ask = (): void => {
      const id = firstId + asked++
      const buffer = buffers[id % OUTSTANDING]!
      link.expect(id, {
        begin: () => buffer,
        progress() {},
        end: () => {
          done++
          if (done === pieces) resolve()
          else if (asked < pieces) ask()
        },
      })
      link.send({ type: 'request', id, blob: BLOB, piece: id })
    }
    for (let i = 0; i < OUTSTANDING; i++) ask()
  })
}

const buffers = Array.from({ length: OUTSTANDING }, () => new Uint8Array(PIECE_BYTES))

async function measure(kind: PieceChannelKind, directory: string, mib: number): Promise<Run> {
  const child = fork(import.meta.filename, ['--sender', kind, '--directory', directory])
  const exited = once(child, 'exit')
  const reply = async <T>(): Promise<T> => (await once(child, 'message'))[0] as T
  try {
    const { address } = await reply<{ address: string }>()
    await using swarm = await startSwarm(kind, directory, {})
    const link = await swarm.connectAddress(address, AbortSignal.timeout(10_000))
    const senderCpu = async (): Promise<NodeJS.CpuUsage> => {
      child.send('cpu')
      return (await reply<{ cpu: NodeJS.CpuUsage }>()).cpu
    }
    await receive(link, WARM_UP_MIB, 0)
    const senderBefore = await senderCpu()
    const [before, startMs] = [process.cpuUsage(), performance.now()]
    await receive(link, mib, WARM_UP_MIB)
    const seconds = (performance.now() - startMs) / 1000
    const used = process.cpuUsage(before)
    const senderAfter = await senderCpu()
    const perGib = (cpu: NodeJS.CpuUsage): number => ((cpu.user + cpu.system) / 1e6) * (1024 / mib)
    return {
      mibPerSec: mib / seconds,
      receiverCpuSecPerGib: perGib(used),
      senderCpuSecPerGib: perGib(senderAfter) - perGib(senderBefore),
    }
  } finally {
    if (child.connected) child.disconnect()
    await exited
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function medians(runs: readonly Run[]): Run {
  return {
    mibPerSec: median(runs.map((run) => run.mibPerSec)),
    senderCpuSecPerGib: median(runs.map((run) => run.senderCpuSecPerGib)),
    receiverCpuSecPerGib: median(runs.map((run) => run.receiverCpuSecPerGib)),
  }
}

function line(name: string, run: Run, digits: number): string {
  const columns = [
    run.mibPerSec.toFixed(digits),
    run.senderCpuSecPerGib.toFixed(2),
    run.receiverCpuSecPerGib.toFixed(2),
  ]
  return [name.padEnd(14), ...columns.map((column) => column.padStart(16))].join('')
}

async function main(mib: number, runs: number, json: boolean): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
  try {
    const samples: Record<'stream' | 'tls', Run[]> = { stream: [], tls: [] }
    // In turn, so that what else the machine does falls on both.
    for (let i = 0; i < runs; i++) {
      samples.stream.push(await measure('stream', directory, mib))
      samples.tls.push(await measure('tls', directory, mib))
    }
    const [stream, tls] = [medians(samples.stream), medians(samples.tls)]
    if (json) {
      console.log(JSON.stringify({ subject: 'piece-channel', mib, runs, node: process.version, stream, tls, samples }))
      return
    }
    const head = ['MiB/s', 'sender s/GiB', 'receiver s/GiB'].map((column) => column.padStart(16))
    const ratios: Run = {
      mibPerSec: stream.mibPerSec / tls.mibPerSec,
      senderCpuSecPerGib: stream.senderCpuSecPerGib / tls.senderCpuSecPerGib,
      receiverCpuSecPerGib: stream.receiverCpuSecPerGib / tls.receiverCpuSecPerGib,
    }
    console.log([`${runs} x ${mib} MiB`.padEnd(14), ...head].join(''))
    for (const [name, run, digits] of [
      ['stream', stream, 0],
      ['tls', tls, 0],
      ['stream / tls', ratios, 2],
    ] as const) {
      console.log(line(name, run, digits))
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const { values } = parseArgs({
  options: {
    sender: { type: 'string' },
    directory: { type: 'string', default: '' },
    mib: { type: 'string', default: '512' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})
if (values.sender === 'stream' || values.sender === 'tls') await runSender(values.sender, values.directory)
else await main(Number(values.mib), Number(values.runs), values.json)
