import type { z } from 'zod'

/** What a schema reads, for good. */
export type Shape<S extends z.ZodType> = Frozen<z.output<S>>
export type Frozen<T> = unknown extends T
  ? T
  : T extends Uint8Array | string | number | boolean | null | undefined
    ? T
    : T extends readonly (infer U)[]
      ? readonly Frozen<U>[]
      : { readonly [K in keyof T]: Frozen<T[K]> }
