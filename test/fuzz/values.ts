import fc from 'fast-check'
import type { z } from 'zod'
import { sampleDigest } from './samples.ts'

/** What some field somewhere takes: each is offered to every leaf of a schema, and kept where it fits. */
const PLAUSIBLE: readonly unknown[] = [
  ...[0, 1, 2, 64, 100, 443, 65_536, 262_144, 5_000_000_000, 1_700_000_000_000, 0.5, -1, 2 ** 53, 1e300],
  ...['', 'a', 'v1', 'latest', 'team/app', 'library/alpine', 'docker.io', 'registry.corp:5000', 'r-1.example'],
  ...['10.0.0.1', 'fd00::1', '10.0.0.1:7071', '[fd00::1]:7071', 'cache-1.example:7071', 'eu-1', 'linux/amd64', 'all'],
  ...['5%', '95%', '12', '30m', '24h', '100MiB', '22:00', '2099-01-01T00:00Z', '*/5 * * * *', 'UTC', 'Europe/Berlin'],
  ...['registry.corp/team/app:v1', 'alpine', 'image@sha256:0', 'job-1234abcd', 's-job-1234abcd', 'running', 'info'],
  ...['12D3KooWLh4tBbE8ZrhVrxLc4dSrAbwxSjFjwY7SnQ5K1vQv4ZnW', 'application/json', 'MTIzNA==', 'ab'.repeat(32)],
  ...['0102', 'AB12', 'https://registry.corp', 'example.com', '/var/lib/x', 'true', 'null', '__proto__', 'constructor'],
  ...['a'.repeat(63), 'b'.repeat(300), '\u0000', '\ud800', 'é\u202e', ' v1 ', 'V1', '../../etc/passwd'],
  ...[sampleDigest('one'), sampleDigest('two', 'sha512'), sampleDigest('three')],
  ...[0, 1, 12, 32, 64, 65, 96, 400].map((length) => new Uint8Array(length).fill(length)),
  ...[true, false, null, undefined],
]

const plausible = fc.constantFrom(...PLAUSIBLE)
const anything = fc.oneof(
  plausible,
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ maxLength: 20 }),
  fc.constant([]),
  fc.constant({}),
)

/**
 * Values as a schema takes them, for the most part: what fits is found by asking the schema, so that a message, a row or a
 * key that is new is fuzzed without a word about it here. Keys are left out and values put in the place of others now and then.
 */
export function valueFor(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 100, arbitrary: fittingValue(schema) }, { weight: 1, arbitrary: anything })
}

function fittingValue(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'object':
      return objectOf(def.shape)
    case 'array':
      return fc.array(valueFor(def.element), { maxLength: 3 })
    case 'tuple':
      return fc.tuple(...def.items.map(valueFor))
    case 'record':
      return fc
        .array(fc.tuple(valueFor(def.keyType).map(String), valueFor(def.valueType)), { maxLength: 3 })
        .map((entries) => Object.fromEntries(entries))
    case 'union':
      return fc.oneof(...def.options.map(valueFor))
    case 'literal':
      return fc.constantFrom(...def.values)
    case 'enum':
      return fc.constantFrom(...Object.values(def.entries))
    case 'optional':
    case 'nullable':
      return fc.oneof(
        { weight: 4, arbitrary: valueFor(def.innerType) },
        { weight: 1, arbitrary: fc.constant(def.type === 'optional' ? undefined : null) },
      )
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
    case 'nonoptional':
      return valueFor(def.innerType)
    case 'lazy':
      return anything
    case 'pipe':
      // what checks text after it was changed has the changed text; what is written down is the first
      return valueFor(def.in._zod.def.type === 'transform' ? def.out : def.in)
    case 'unknown':
    case 'any':
      return anything
    default:
      return leafOf(schema)
  }
}

function objectOf(shape: Readonly<Record<string, z.core.$ZodType>>): fc.Arbitrary<unknown> {
  const fields = fc.record(Object.fromEntries(Object.entries(shape).map(([key, inner]) => [key, valueFor(inner)])), {
    noNullPrototype: true,
  })
  const without = fc.oneof({ weight: 40, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat({ max: 20 }) })
  return fc
    .tuple(fields, without)
    .map(([value, left]) =>
      Object.fromEntries(Object.entries(value).filter(([, one], i) => i !== left && one !== undefined)),
    )
}

function leafOf(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  const fitting = PLAUSIBLE.filter((value) => fits(schema, value))
  const known = fitting.length > 0 ? fc.constantFrom(...fitting) : plausible
  return fc.oneof({ weight: 60, arbitrary: known }, { weight: 1, arbitrary: anything })
}

function fits(schema: z.core.$ZodType, value: unknown): boolean {
  return (schema as z.ZodType).safeParse(value).success
}
