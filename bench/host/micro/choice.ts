import { seededRng } from '../../../src/base/rng.ts'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { Download } from '../../../src/scheduler/download.ts'
import type { DownloadSpec, LeecherEffect } from '../../../src/scheduler/index.ts'
import { DEFAULT_LEECHER, Leecher } from '../../../src/scheduler/index.ts'
import type { MicroResult } from '../tasks.ts'
import { microResult, SAMPLES, sample } from './sample.ts'

const PIECES = 512
const SOURCES = 16
const BLOB = 1
/** Of the pieces, that each neighbour has. */
const SHARE = 0.6
const PIECE_TIME_MS = 5
/** Whole downloads before the measured ones. */
const WARM_UP_DOWNLOADS = 30
/** Whole downloads in one sample. */
const DOWNLOADS = 5
const NAME = `${SOURCES} sources, ${PIECES} pieces`

const spec: DownloadSpec = {
  ...{ pieces: PIECES, pieceBytes: 1024 * 1024, have: new Bitfield(PIECES), order: 0, window: undefined, swarm: true },
}

/** What it costs to decide what to ask for next. */
export function choiceResults(): MicroResult[] {
  return [pickResult(), stepResult()]
}

function pickResult(): MicroResult {
  const download = new Download(BLOB, spec, 0)
  const rng = seededRng(1)
  for (let piece = 0; piece < PIECES; piece++) {
    download.hashKnown.set(piece)
    if (rng.next() < 0.5) download.keep(piece)
  }
  for (let source = 0; source < SOURCES; source++) {
    download.addSource(source, 'peer')
    download.setBits(source, neighbourBits(source))
  }
  let sum = 0
  const result = sample({ subject: `choose a piece of a source (${NAME}, half there)`, operations: SOURCES }, () => {
    for (let source = 0; source < SOURCES; source++) sum += download.pick(source)
  })
  // never: but what nobody looks at would be compiled away
  return sum < 0 ? { ...result, samples: 0 } : result
}

/** From the first request to the last piece; an operation is one event: have, began or stored. */
function stepResult(): MicroResult {
  for (let i = 0; i < WARM_UP_DOWNLOADS; i++) runDownload(readyLeecher())
  let events = 0
  const times = Array.from({ length: SAMPLES }, () => {
    const leechers = Array.from({ length: DOWNLOADS }, readyLeecher)
    const startMs = performance.now()
    events = 0
    for (const leecher of leechers) events += runDownload(leecher)
    return performance.now() - startMs
  })
  return microResult({ subject: `one event at a leecher (${NAME})`, operations: events }, times)
}

interface ReadyLeecher {
  readonly leecher: Leecher
  readonly effects: LeecherEffect[]
}

/** Knows its neighbours and has asked for its first pieces. */
function readyLeecher(): ReadyLeecher {
  const leecher = new Leecher(DEFAULT_LEECHER)
  const effects: LeecherEffect[] = []
  leecher.on({ type: 'blobAdded', blob: BLOB, spec }, 0, effects)
  for (let source = 0; source < SOURCES; source++) {
    leecher.on({ type: 'sourceJoined', source, blob: BLOB, kind: 'peer', distance: 0 }, 0, effects)
    leecher.on({ type: 'sourceBits', source, blob: BLOB, bits: neighbourBits(source), queue: 0 }, 0, effects)
  }
  leecher.on({ type: 'hashesKnown', blob: BLOB, first: 0, count: PIECES }, 0, effects)
  return { leecher, effects }
}

/** Lets every request be answered in its turn; answers how many events that took. */
function runDownload({ leecher, effects }: ReadyLeecher): number {
  let [events, now, next] = [0, 0, 0]
  let complete = false
  const on = (event: Parameters<Leecher['on']>[0]): void => {
    leecher.on(event, now, effects)
    events++
  }
  while (!complete && next < effects.length) {
    const effect = effects[next++]!
    if (effect.type === 'complete') complete = true
    if (effect.type !== 'request') continue
    now += PIECE_TIME_MS
    on({ type: 'began', id: effect.id, piece: effect.piece })
    on({ type: 'stored', blob: BLOB, piece: effect.piece, id: effect.id })
    on({ type: 'sourceHas', source: effect.piece % SOURCES, blob: BLOB, pieces: [effect.piece], queue: 0 })
  }
  if (!complete) throw new Error('the leecher stopped before it had everything')
  return events
}

/** The first has everything, so that every download ends. */
function neighbourBits(source: number): Bitfield {
  if (source === 0) return Bitfield.full(PIECES)
  const rng = seededRng(source)
  const bits = new Bitfield(PIECES)
  for (let piece = 0; piece < PIECES; piece++) if (rng.next() < SHARE) bits.set(piece)
  return bits
}
