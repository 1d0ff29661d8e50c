import type { z } from 'zod'
import type { TableCodec } from '../store/index.ts'

/** Rows of a store table as JSON, checked against a schema when read: rows of another shape are dropped. */
export function jsonCodec<T>(schema: z.ZodType<T>): TableCodec<T> {
  return {
    encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (bytes) => {
      try {
        return schema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data
      } catch {
        return undefined
      }
    },
  }
}
