import type { Send, VirtualNetwork } from './virtual-network.ts'
import { BLOCKS } from './virtual-network.ts'

interface OriginRange {
  /** Pieces still to come; what fails ends early. */
  left: number
  readonly ok: boolean
  readonly sends: Send[]
}

interface OriginRead {
  readonly to: number
  readonly life: number
  readonly range: number
  readonly blob: number
  readonly first: number
  readonly count: number
  readonly pieceBytes: number
  readonly ok: boolean
}

/** Object storage behind one uplink: answers ranges in the order they were asked for. */
export class VirtualOrigin {
  readonly #port: number
  readonly #network: VirtualNetwork
  readonly #ranges = new Map<string, OriginRange>()
  readonly #ended: (read: Pick<OriginRead, 'to' | 'range' | 'ok'>) => void
  bytes = 0

  constructor(port: number, network: VirtualNetwork, ended: (read: Pick<OriginRead, 'to' | 'range' | 'ok'>) => void) {
    this.#port = port
    this.#network = network
    this.#ended = ended
  }

  read({ to, life, range, blob, first, count, pieceBytes, ok }: OriginRead): void {
    const sends: Send[] = []
    this.#ranges.set(`${to} ${range}`, { left: count, ok, sends })
    if (count === 0) return this.#end(to, range, ok)
    for (let piece = first; piece < first + count; piece++) {
      const fields = { from: this.#port, to, id: range, blob, piece, blockBytes: pieceBytes / BLOCKS }
      const faults = { silentAfter: Number.POSITIVE_INFINITY, corrupt: false, fromLife: 0, toLife: life }
      sends.push(this.#network.send({ ...fields, ...faults }))
    }
  }

  /** Whether the reader of a send still wants it. */
  reads({ to, id }: Send): boolean {
    return this.#ranges.has(`${to} ${id}`)
  }

  /** A piece has come; returns whether its reader still wants it. */
  came({ to, id, blockBytes }: Send): boolean {
    this.bytes += BLOCKS * blockBytes
    return this.#ranges.has(`${to} ${id}`)
  }

  /** After a piece has been kept. */
  next({ to, id }: Send): void {
    const range = this.#ranges.get(`${to} ${id}`)
    if (range !== undefined && --range.left === 0) this.#end(to, id, range.ok)
  }

  cancel(to: number, range: number): void {
    const key = `${to} ${range}`
    for (const send of this.#ranges.get(key)?.sends ?? []) this.#network.abort(send)
    this.#ranges.delete(key)
  }

  #end(to: number, range: number, ok: boolean): void {
    this.#ranges.delete(`${to} ${range}`)
    this.#ended({ to, range, ok })
  }
}
