import { measureAgent } from './measure-agent.ts'
import { FloorRuns } from './measure-floor.ts'
import { PieceRuns } from './measure-pieces.ts'
import type { HostBenchOptions } from './options.ts'
import type { AgentRun, HostResult } from './result.ts'
import { agentResult } from './result.ts'
import { fileSystemOf, HostStage } from './stage.ts'
import type { ChannelKind, MicroResult } from './tasks.ts'
import { microResultSchema } from './tasks.ts'
import { Worker } from './worker.ts'

/** Of a part's bytes, moved before the clock starts. */
const WARM_UP_SHARE = 0.25

export interface BenchOutput {
  say(what: string): void
}

/** Runs what the options name. Parts take turns, so that what else the machine does falls on all of them. */
export async function runBench(
  options: HostBenchOptions,
  signal: AbortSignal,
  output: BenchOutput,
): Promise<HostResult> {
  const { parts, channels, runs, sizeBytes } = options
  await using stage = await HostStage.open(options.directory, signal)
  const { directory } = stage
  const warmUpBytes = Math.ceil(sizeBytes * WARM_UP_SHARE)
  const floor = new FloorRuns({ bytes: sizeBytes, warmUpBytes, directory, signal })
  const agents = new Map<ChannelKind, AgentRun[]>(channels.map((kind) => [kind, []]))
  const pieces = channels.map((kind) => new PieceRuns(kind, { bytes: sizeBytes, directory, signal }))
  const withAgent = parts.includes('agent')
  const withPieces = parts.includes('piece-channel')
  if (withAgent) {
    output.say('content: making the images, filling the bucket and the cache')
    await stage.openFleet(sizeBytes)
  }
  for (let count = 1; count <= runs && (withAgent || withPieces); count++) {
    const of = `run ${count} of ${runs}`
    if (withAgent) {
      output.say(`${of}: the floor`)
      await floor.runOnce()
      for (const [kind, done] of agents) {
        output.say(`${of}: an agent, pieces by ${kind}`)
        done.push(await measureAgent(stage, kind, signal))
      }
    }
    for (const piece of withPieces ? pieces : []) {
      output.say(`${of}: a link alone, pieces by ${piece.channel}`)
      await piece.runOnce()
    }
  }
  const floorResult = withAgent ? floor.result() : undefined
  return {
    fileSystem: await fileSystemOf(directory),
    floor: floorResult,
    agents: floorResult === undefined ? [] : [...agents].map(([kind, done]) => agentResult(kind, done, floorResult)),
    pieceChannels: withPieces ? pieces.map((piece) => piece.result()) : [],
    micro: parts.includes('micro') ? await measureMicro(directory, signal, output) : [],
  }
}

async function measureMicro(directory: string, signal: AbortSignal, output: BenchOutput): Promise<MicroResult[]> {
  output.say('small things')
  await using worker = Worker.start('small things', signal)
  return await worker.ask({ do: 'micro', directory }, microResultSchema.array())
}
