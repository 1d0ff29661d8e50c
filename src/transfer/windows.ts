import type { Clock } from '../base/clock.ts'
import { LINGER_MS, LINGERING_MOST } from '../base/patience.ts'
import { SingleFlight } from '../base/single-flight.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import { MemoryPartial } from '../store/index.ts'
import type { Active } from './active.ts'
import type { Engine } from './engine.ts'
import type { Opened, Opening, OpenRequest } from './opening.ts'
import { rightOf } from './right-of.ts'
import { SharedWindow } from './shared-window.ts'
import type { SmallContent } from './small-content.ts'
import type { Transfer, TransferRef } from './transfer.ts'

/** A window in memory holds this much, and at least `WINDOW_LEAST_PIECES`. */
const WINDOW_BYTES = 32 * 1024 * 1024
const WINDOW_LEAST_PIECES = 16

interface WindowsDeps {
  readonly clock: Clock
  readonly engine: Engine
  readonly small: SmallContent
  readonly opening: Pick<Opening, 'order'>
}

/** Blobs that cannot be stored: each passes through one window in memory, which all its readers share. */
export class Windows {
  readonly #deps: WindowsDeps
  readonly #opening: SingleFlight<Opened>

  constructor(deps: WindowsDeps) {
    this.#deps = deps
    this.#opening = new SingleFlight({ clock: deps.clock, ms: LINGER_MS, most: LINGERING_MOST })
  }

  /** The window of a blob, which is opened if there is none. `start`: where the next reader will begin, in bytes. */
  async open(request: OpenRequest & { size: number }, start: number, signal: AbortSignal): Promise<Opened> {
    const running = this.#find(request)
    const opened =
      running === undefined
        ? await this.#opening.run(rightOf(request), (shared) => this.#begin(request, start, shared), signal)
        : openedOf(running)
    if (opened.kind === 'transfer') this.#expect(opened.transfer, start)
    return opened
  }

  #find(ref: TransferRef): Active | undefined {
    const isSame = ({ transfer }: Active): boolean =>
      transfer.window !== undefined && rightOf(transfer.ref) === rightOf(ref)
    return this.#deps.engine.actives.of(ref.digest).find(isSame)
  }

  #expect(transfer: Transfer, start: number): void {
    const piece = transfer.layout.pieceAt(start)
    transfer.window?.expect(piece)
    this.#deps.engine.leecher.drive({ type: 'cursor', blob: transfer.blob, piece: transfer.window?.first ?? piece })
  }

  async #begin(request: OpenRequest & { size: number }, start: number, signal: AbortSignal): Promise<Opened> {
    const { engine, small, opening } = this.#deps
    const layout = new PieceLayout(request.digest, request.size)
    const { entry = 'forClient', background } = request
    const wanted = { ref: request, size: layout.size, have: new Uint8Array(), entry, background }
    const route = await engine.sources.route(wanted, signal)
    if (route.kind === 'bytes') return small.keep(request, route)
    if (route.kind === 'refused') return route
    if (layout.count <= 1) return small.fetch(request, route, layout, signal)
    const most = Math.max(WINDOW_LEAST_PIECES, Math.floor(WINDOW_BYTES / layout.pieceSize))
    const window = new SharedWindow(layout.count, most)
    const active = engine.begin(request, new MemoryPartial(layout), {
      entry,
      shared: false,
      order: opening.order(request),
      window,
    })
    window.expect(layout.pieceAt(start))
    engine.ways.apply(active, route)
    return openedOf(active)
  }
}

/** What is told of a transfer that runs. */
export function openedOf({ transfer, entry, home }: Active): Extract<Opened, { kind: 'transfer' }> {
  const from = home === undefined ? 'origin' : entry === 'forPeer' ? 'parent' : 'peer'
  return { kind: 'transfer', transfer, from }
}
