import cliProgress from 'cli-progress'
import type { BlobProgress } from '../pull/index.ts'
import type { CommandIo } from './command-io.ts'
import { sizeText } from './quantity-text.ts'

/** Shows the blobs of a pull: bars that move on a terminal, one line per finished blob elsewhere. */
export interface PullDisplay extends Disposable {
  update(progress: BlobProgress): void
}

export function pullDisplay(stderr: CommandIo['stderr'], quiet: boolean): PullDisplay {
  if (quiet) return { update() {}, [Symbol.dispose]() {} }
  return stderr.isTTY === true ? bars(stderr) : lines(stderr)
}

function bars(stderr: CommandIo['stderr']): PullDisplay {
  const multibar = new cliProgress.MultiBar(
    {
      stream: stderr,
      format: '{name} {bar} {percentage}% {moved}/{size} {source}',
      barsize: 30,
      hideCursor: true,
      clearOnComplete: false,
      emptyOnZero: true,
    },
    cliProgress.Presets.shades_classic,
  )
  const byDigest = new Map<string, cliProgress.SingleBar>()
  return {
    update({ digest, size, received, from, state }) {
      const known = byDigest.get(digest)
      const payload = {
        name: shortDigest(digest),
        moved: sizeText(received),
        size: sizeText(size),
        source: fromText(from),
      }
      const bar = known ?? multibar.create(Math.max(size, 1), 0, payload)
      byDigest.set(digest, bar)
      bar.update(state === 'done' ? Math.max(size, 1) : received, payload)
    },
    [Symbol.dispose]: () => multibar.stop(),
  }
}

function lines(stderr: CommandIo['stderr']): PullDisplay {
  return {
    update({ state, digest, size, from }) {
      if (state !== 'done') return
      stderr.write(`${[shortDigest(digest), sizeText(size), fromText(from)].filter((part) => part !== '').join(' ')}\n`)
    },
    [Symbol.dispose]() {},
  }
}

/** `from home 31 MiB, peer 1 MiB`, or `from home` for all of it; empty when that was not said. */
export function fromText(from: BlobProgress['from'] = {}): string {
  const rows = Object.entries(from).filter(([, bytes]) => bytes > 0)
  if (rows.length === 0) return Object.keys(from).length === 0 ? '' : `from ${Object.keys(from)[0]}`
  if (rows.length === 1) return `from ${rows[0]?.[0]}`
  return `from ${rows.map(([source, bytes]) => `${source} ${sizeText(bytes)}`).join(', ')}`
}

function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12)
}
