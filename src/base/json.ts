/** What JSON text, or its bytes in UTF-8, says; undefined, which JSON cannot say, when it is none. */
export function parseJson(content: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof content === 'string' ? content : Buffer.from(content).toString('utf8'))
  } catch {
    return undefined
  }
}
