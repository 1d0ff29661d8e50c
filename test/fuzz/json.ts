import fc from 'fast-check'

/** What stands where something else was expected. */
const ODD: readonly unknown[] = [
  ...[null, true, 0, -1, 0.5, 1e21, 2 ** 53, '', ' ', 'x', '0', '-1', 'x'.repeat(5_000), '\ud800', '\u0000', '../..'],
  ...[
    [],
    {},
    [[[[[[[[]]]]]]]],
    [null],
    { a: 1 },
    Object.fromEntries([['__proto__', { a: 1 }]]),
    { toString: 1, length: -1 },
  ],
]
const KEYS = ['__proto__', 'constructor', 'toString', '', 'a', '0']

/** One change: of all places in a value, the one `at`. */
interface Change {
  readonly at: number
  readonly how: 'replace' | 'delete' | 'add' | 'twice'
  readonly odd: unknown
  readonly key: string
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(),
  how: fc.constantFrom<Change['how']>('replace', 'replace', 'delete', 'add', 'twice'),
  odd: fc.oneof(fc.constantFrom(...ODD), fc.jsonValue({ maxDepth: 2 })),
  key: fc.constantFrom(...KEYS),
})

type Container = Record<string | number, unknown>

/** One of these values, with some of what is in it replaced, left out, doubled or added to. */
export function altered(samples: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.tuple(fc.constantFrom(...samples), fc.array(change, { maxLength: 3 })).map(([sample, changes]) => {
    const value = { top: structuredClone(sample) }
    for (const one of changes) apply(value, one)
    return value.top
  })
}

export function jsonBytes(values: fc.Arbitrary<unknown>): fc.Arbitrary<Uint8Array> {
  return values.map((value) => new Uint8Array(Buffer.from(JSON.stringify(value) ?? '')))
}

function apply(value: Container, { at, how, odd, key }: Change): void {
  const places = placesIn(value)
  const place = places[at % places.length]
  if (place === undefined) return
  const [container, where] = place
  const there = container[where]
  // what was put in one place may be changed there
  const own: unknown = structuredClone(odd)
  if (how === 'replace') container[where] = own
  else if (how === 'delete') delete container[where]
  else if (Array.isArray(there)) there.push(...(how === 'add' ? [own] : there.slice(0, 3)))
  else if (typeof there === 'object' && there !== null) {
    Object.defineProperty(there, key, { value: own, enumerable: true, configurable: true, writable: true })
  } else if (typeof there === 'string') container[where] = there + there
}

function placesIn(container: Container): (readonly [container: Container, key: string])[] {
  return Object.keys(container).flatMap((key) => {
    const inner = container[key]
    const below = typeof inner === 'object' && inner !== null ? placesIn(inner as Container) : []
    return [[container, key] as const, ...below]
  })
}
