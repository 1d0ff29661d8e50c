import type { Send, VirtualNetwork } from './virtual-network.ts'
import { BLOCKS } from './virtual-network.ts'

interface Lane {
  /** Pieces still to come; what fails ends early. */
  left: number
  readonly ok: boolean
  readonly sends: Send[]
}

export interface OriginRead {
  readonly to: number
  readonly life: number
  readonly lane: number
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
  readonly #lanes = new Map<string, Lane>()
  readonly #ended: (read: Pick<OriginRead, 'to' | 'lane' | 'ok'>) => void
  bytes = 0

  constructor(port: number, network: VirtualNetwork, ended: (read: Pick<OriginRead, 'to' | 'lane' | 'ok'>) => void) {
    this.#port = port
    this.#network = network
    this.#ended = ended
  }

  read({ to, life, lane, blob, first, count, pieceBytes, ok }: OriginRead): void {
    const sends: Send[] = []
    this.#lanes.set(`${to} ${lane}`, { left: count, ok, sends })
    if (count === 0) return this.#end(to, lane, ok)
    for (let piece = first; piece < first + count; piece++) {
      const fields = { from: this.#port, to, id: lane, blob, piece, blockBytes: pieceBytes / BLOCKS }
      const faults = { silentAfter: Number.POSITIVE_INFINITY, corrupt: false, fromLife: 0, toLife: life }
      sends.push(this.#network.send({ ...fields, ...faults }))
    }
  }

  /** Whether the reader of a send still wants it. */
  reads({ to, id }: Send): boolean {
    return this.#lanes.has(`${to} ${id}`)
  }

  /** A piece has come; answers whether its reader still wants it. */
  came({ to, id, blockBytes }: Send): boolean {
    this.bytes += BLOCKS * blockBytes
    return this.#lanes.has(`${to} ${id}`)
  }

  /** After a piece has been kept. */
  next({ to, id }: Send): void {
    const lane = this.#lanes.get(`${to} ${id}`)
    if (lane !== undefined && --lane.left === 0) this.#end(to, id, lane.ok)
  }

  cancel(to: number, lane: number): void {
    const key = `${to} ${lane}`
    for (const send of this.#lanes.get(key)?.sends ?? []) this.#network.abort(send)
    this.#lanes.delete(key)
  }

  #end(to: number, lane: number, ok: boolean): void {
    this.#lanes.delete(`${to} ${lane}`)
    this.#ended({ to, lane, ok })
  }
}
