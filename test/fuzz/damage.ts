import fc from 'fast-check'

/** Larger inputs show nothing that these do not, but cost more. */
const MAX_BYTES = 64 * 1024
/** Bytes that mean something to some parser: ends, lengths, brackets, quotes, escapes, signs, blanks. */
const TELLING = Buffer.from('\0\x01\x1f\x7f\x80\xff\x9f\xbf\xf7"\'`\\/%{}[]<>(),;:=&?#@*!|-+._~0 9aZ\t\r\n', 'latin1')

/** One change: `cut` bytes at `at` make room for `put`, or for themselves, `times` over. */
interface Splice {
  readonly at: number
  readonly cut: number
  readonly put: Uint8Array | undefined
  readonly times: number
}

const telling = fc.constantFrom(...TELLING).map((byte) => Uint8Array.of(byte))
const splice: fc.Arbitrary<Splice> = fc.record({
  at: fc.nat(),
  cut: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 200 })),
  put: fc.oneof(telling, fc.uint8Array({ maxLength: 8 }), fc.constant(undefined)),
  times: fc.oneof(
    { weight: 9, arbitrary: fc.constant(1) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 9 }) },
    // what costs more than its length shows only in long inputs
    { weight: 1, arbitrary: fc.integer({ min: 100, max: MAX_BYTES }) },
  ),
})

function spliced(bytes: Uint8Array, { at, cut, put, times }: Splice): Uint8Array {
  const start = at % (bytes.length + 1)
  const end = Math.min(start + cut, bytes.length)
  const part = put ?? bytes.subarray(start, end)
  const count = Math.min(times, Math.floor(MAX_BYTES / Math.max(1, part.length)))
  const middle = Buffer.alloc(count * part.length)
  for (let i = 0; i < count; i++) middle.set(part, i * part.length)
  return new Uint8Array(Buffer.concat([bytes.subarray(0, start), middle, bytes.subarray(end)])).subarray(0, MAX_BYTES)
}

/** These as they are, with some of their bytes changed, cut out or repeated, and a few that are anything. */
export function near(good: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const damaged = fc
    .tuple(good, fc.array(splice, { minLength: 1, maxLength: 4 }))
    .map(([bytes, splices]) => splices.reduce(spliced, bytes))
  return fc.oneof(
    { weight: 3, arbitrary: good },
    { weight: 6, arbitrary: damaged },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  )
}

/** As `near`, of text. */
export function nearText(good: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  return near(good.map((text) => new Uint8Array(Buffer.from(text))))
}

/** The text of an input; what is no UTF-8 in it becomes replacement characters, as where the product reads text. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}

/** The text of an input as node gives header lines: a character a byte. */
export function headerOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/** Words of a grammar in any order, a few of them unknown ones. */
export function words(known: readonly string[], maxLength = 12): fc.Arbitrary<string> {
  const word = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...known) },
    { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
  )
  return fc.array(word, { maxLength }).map((all) => all.join(''))
}
