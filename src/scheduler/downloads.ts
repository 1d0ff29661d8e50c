import type { Download } from './download.ts'

/** The blobs a host fetches: by number, and in the order in which they are served. */
export class Downloads {
  readonly #byBlob = new Map<number, Download>()
  #inOrder: readonly Download[] = []

  /** Those to be served first come first. */
  get inOrder(): readonly Download[] {
    return this.#inOrder
  }

  get(blob: number): Download | undefined {
    return this.#byBlob.get(blob)
  }

  /** As they were added. */
  [Symbol.iterator](): IterableIterator<Download> {
    return this.#byBlob.values()
  }

  add(download: Download): void {
    this.#byBlob.set(download.blob, download)
    this.sort()
  }

  remove(blob: number): void {
    this.#byBlob.delete(blob)
    this.sort()
  }

  /** The order of one has changed. */
  sort(): void {
    this.#inOrder = [...this.#byBlob.values()].sort((a, b) => a.order - b.order || a.blob - b.blob)
  }
}
