import type { z } from 'zod'
import { encodeJson, parseJson } from '../base/json.ts'
import type { TableCodec } from './interface.ts'

/** Rows of a table as JSON, byte strings in them as base64, checked against a schema when read: rows of another shape are dropped. */
export function jsonCodec<T>(schema: z.ZodType<T>): TableCodec<T> {
  return {
    encode: encodeJson,
    decode: (bytes) => schema.safeParse(parseJson(bytes)).data,
  }
}
