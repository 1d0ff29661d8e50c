import type { PeerLink } from '../swarm/index.ts'

interface Stream {
  readonly link: PeerLink
  readonly take: (bytes: Uint8Array) => void
}

/** The ranges that peers send while they still come in there. What was not asked of a peer is not taken from it. */
export class RangeStreams {
  readonly #streams = new Map<number, Stream>()
  #last = 0

  /** Bytes that `link` sends under `id` go to `take`, until disposed. */
  open(link: PeerLink, take: Stream['take']): Disposable & { readonly id: number } {
    const id = this.#freeId()
    this.#streams.set(id, { link, take })
    return { id, [Symbol.dispose]: () => void this.#streams.delete(id) }
  }

  came(link: PeerLink, id: number, bytes: Uint8Array): void {
    const stream = this.#streams.get(id)
    if (stream?.link === link) stream.take(bytes)
  }

  /** A u32 that is not in use. */
  #freeId(): number {
    do this.#last = (this.#last + 1) >>> 0
    while (this.#streams.has(this.#last))
    return this.#last
  }
}
