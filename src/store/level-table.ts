import { ShoalError } from '../base/errors.ts'
import type { StoreTable, TableCodec } from './interface.ts'
import { isTableKey, MAX_TABLE_KEY_BYTES, tablePrefix } from './rows.ts'
import type { StoreIndex } from './store-index.ts'

/** A table: rows of the index under a name of their own. */
export class LevelTable<T> implements StoreTable<T> {
  readonly #index: StoreIndex
  readonly #codec: TableCodec<T>
  readonly #prefix: string

  /** Throws `STORE_FAILED` when `name` is not 1 to 64 of a-z, 0-9 and `-`, beginning with a letter. */
  constructor(index: StoreIndex, name: string, codec: TableCodec<T>) {
    const prefix = tablePrefix(name)
    if (prefix === undefined) throw new ShoalError('STORE_FAILED', `"${name}" cannot name a table`)
    this.#index = index
    this.#codec = codec
    this.#prefix = prefix
  }

  async get(key: string): Promise<T | undefined> {
    const bytes = await this.#index.get(this.#key(key))
    return bytes === undefined ? undefined : this.#decode(this.#key(key), bytes)
  }

  async put(key: string, value: T): Promise<void> {
    await this.#index.write([[this.#key(key), this.#codec.encode(value)]], { sync: false })
  }

  async delete(key: string): Promise<void> {
    await this.#index.write([[this.#key(key), undefined]], { sync: false })
  }

  async *entries(prefix: string): AsyncIterable<readonly [key: string, value: T]> {
    for await (const [key, bytes] of this.#index.entries(this.#prefix + prefix)) {
      const value = this.#decode(key, bytes)
      if (value !== undefined) yield [key.slice(this.#prefix.length), value]
    }
  }

  #decode(key: string, bytes: Uint8Array): T | undefined {
    const value = this.#codec.decode(bytes)
    if (value === undefined) this.#index.queue([[key, undefined]])
    return value
  }

  #key(key: string): string {
    if (!isTableKey(key)) {
      throw new ShoalError('STORE_FAILED', `a table's key is text of 1 to ${MAX_TABLE_KEY_BYTES} bytes`)
    }
    return this.#prefix + key
  }
}
