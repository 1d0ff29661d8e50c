/** What JSON text, or its bytes in UTF-8, says; undefined, which JSON cannot say, when it is none. */
export function parseJson(content: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof content === 'string' ? content : textOf(content))
  } catch {
    return undefined
  }
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
