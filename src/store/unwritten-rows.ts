/** Some hundred thousand rows; the oldest go first. */
const MAX_BYTES = 32 * 1024 * 1024
/** What a row costs beside its bytes. */
const ROW_BYTES = 200

interface Row {
  readonly table: string
  readonly key: string
  /** Undefined: deleted. */
  readonly value: Uint8Array | undefined
}

/** Rows of small tables that the disk has not taken, in the order they were made. */
export class UnwrittenRows {
  readonly #rows = new Map<string, Row>()
  #bytes = 0

  get(table: string, key: string): { readonly value: Uint8Array | undefined } | undefined {
    return this.#rows.get(id(table, key))
  }

  keep(table: string, key: string, value: Uint8Array | undefined): void {
    this.forget(table, key)
    this.#rows.set(id(table, key), { table, key, value })
    this.#bytes += cost(key, value)
    for (const row of this.#rows.values()) {
      if (this.#bytes <= MAX_BYTES) break
      this.forget(row.table, row.key)
    }
  }

  forget(table: string, key: string): void {
    const row = this.#rows.get(id(table, key))
    if (row === undefined) return
    this.#rows.delete(id(table, key))
    this.#bytes -= cost(key, row.value)
  }

  of(table: string): (readonly [key: string, value: Uint8Array | undefined])[] {
    return this.all().flatMap((row) => (row.table === table ? [[row.key, row.value] as const] : []))
  }

  all(): Row[] {
    return [...this.#rows.values()]
  }
}

function id(table: string, key: string): string {
  return `${table}\n${key}`
}

function cost(key: string, value: Uint8Array | undefined): number {
  return ROW_BYTES + key.length + (value?.length ?? 0)
}
