import type { DiskHealth } from './disk-health.ts'
import type { StoreTable, TableCodec } from './interface.ts'
import type { UnwrittenRows } from './unwritten-rows.ts'

/** Bytes as they are: the steady table encodes and decodes itself. */
export const RAW_ROWS: TableCodec<Uint8Array> = { encode: (bytes) => bytes, decode: (bytes) => bytes }

interface SteadyTableParts<T> {
  readonly name: string
  readonly codec: TableCodec<T>
  /** The table on disk; undefined while there is none. */
  readonly disk: () => StoreTable<Uint8Array> | undefined
  readonly unwritten: UnwrittenRows
  readonly health: DiskHealth
}

/** A small table that goes on without its disk: rows that it does not take are kept in memory until it does. */
export class SteadyTable<T> implements StoreTable<T> {
  readonly #parts: SteadyTableParts<T>

  constructor(parts: SteadyTableParts<T>) {
    this.#parts = parts
  }

  async get(key: string): Promise<T | undefined> {
    const { name, unwritten } = this.#parts
    const row = unwritten.get(name, key)
    const bytes = row === undefined ? await this.#onDisk((table) => table.get(key)) : row.value
    if (bytes === undefined) return undefined
    const value = this.#parts.codec.decode(bytes)
    if (value === undefined) await this.delete(key)
    return value
  }

  async put(key: string, value: T): Promise<void> {
    await this.#write(key, this.#parts.codec.encode(value))
  }

  async delete(key: string): Promise<void> {
    await this.#write(key, undefined)
  }

  async *entries(prefix: string): AsyncIterable<readonly [key: string, value: T]> {
    const { codec, name, unwritten } = this.#parts
    const rows = unwritten.of(name).filter(([key]) => key.startsWith(prefix))
    const decoded = (key: string, bytes: Uint8Array): (readonly [string, T])[] => {
      const value = codec.decode(bytes)
      return value === undefined ? [] : [[key, value]]
    }
    const hidden = new Set(rows.map(([key]) => key))
    const ahead = rows.filter(([, bytes]) => bytes !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
    for await (const [key, bytes] of this.#diskEntries(prefix)) {
      while (ahead[0] !== undefined && ahead[0][0] < key) {
        const [first, value] = ahead.shift()!
        yield* decoded(first, value!)
      }
      if (hidden.has(key)) continue
      const found = decoded(key, bytes)
      if (found.length === 0) await this.delete(key)
      yield* found
    }
    for (const [key, bytes] of ahead) yield* decoded(key, bytes!)
  }

  async *#diskEntries(prefix: string): AsyncIterable<readonly [key: string, bytes: Uint8Array]> {
    const { disk, health } = this.#parts
    const table = health.isReadable ? disk() : undefined
    if (table === undefined) return
    try {
      yield* table.entries(prefix)
    } catch (error) {
      health.note(error)
      if (!health.isToBlame(error)) throw error
    }
  }

  async #write(key: string, value: Uint8Array | undefined): Promise<void> {
    const { name, unwritten, health } = this.#parts
    if (health.isWritable) {
      const put = async (table: StoreTable<Uint8Array>): Promise<boolean> => {
        await (value === undefined ? table.delete(key) : table.put(key, value))
        return true
      }
      if ((await this.#onDisk(put)) === true) {
        unwritten.forget(name, key)
        return
      }
    }
    unwritten.keep(name, key, value)
  }

  /** Undefined when the disk cannot be used: that has been noted. Other errors are the caller's. */
  async #onDisk<R>(call: (table: StoreTable<Uint8Array>) => Promise<R>): Promise<R | undefined> {
    const table = this.#parts.disk()
    return table === undefined ? undefined : await this.#parts.health.tried('row', () => call(table))
  }
}
