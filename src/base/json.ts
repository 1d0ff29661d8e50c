/**
 * How deep what is read may be nested: far deeper than anything has reason to be. Beyond some 8180, text that closes a list
 * or an object and then breaks off makes the parser of V8 14.6 write where it must not, and a later collection of garbage
 * ends the process.
 */
const MAX_DEPTH = 1_000

const [QUOTE, BACKSLASH] = ['"'.charCodeAt(0), '\\'.charCodeAt(0)]
const [LIST, LIST_END, OBJECT, OBJECT_END] = [...'[]{}'].map((bracket) => bracket.charCodeAt(0))

/** What JSON text, or its bytes in UTF-8, says; undefined, which JSON cannot say, when it is none, or is nested too deep. */
export function parseJson(content: string | Uint8Array): unknown {
  try {
    const text = typeof content === 'string' ? content : textOf(content)
    return isTooDeep(text) ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether JSON text nests deeper than is read here. Up to its first mistake it is read as a parser would. */
export function isTooDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === LIST || code === OBJECT) {
      if (++depth > MAX_DEPTH) return true
    } else if (code === LIST_END || code === OBJECT_END) depth--
  }
  return false
}

/** Where the quote is that ends the string which begins at `start`; the end of the text if there is none. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end < 0 ? text.length : end
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
  return backslashes % 2 === 1
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8')
}

/** JSON as bytes; byte strings in it as base64. */
export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value, bytesAsBase64))
}

/** Looks at what is there, not at what it is given: a Buffer has become an object of numbers by then. */
function bytesAsBase64(this: Record<string, unknown>, key: string, inner: unknown): unknown {
  const value = this[key]
  if (!(value instanceof Uint8Array)) return inner
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
}
