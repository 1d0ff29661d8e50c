/** One challenge of a WWW-Authenticate header (RFC 9110 section 11.6.1). Scheme and parameter names in lower case. */
interface Challenge {
  readonly scheme: string
  readonly params: ReadonlyMap<string, string>
}

const MAX_HEADER_CHARS = 8192
const SEPARATORS = /[\s,]*/y
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const EQUALS = /[ \t]*=[ \t]*/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/y
const TOKEN68 = /[ \t]+[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y

/**
 * The challenges in one or several header lines: several per line, quoted commas and any case are understood. Stops
 * at the first thing that fits no grammar and returns what came before.
 */
export function parseChallenges(header: string | readonly string[] | undefined): readonly Challenge[] {
  const text = (typeof header === 'string' ? header : (header ?? []).join(', ')).slice(0, MAX_HEADER_CHARS)
  const challenges: { scheme: string; params: Map<string, string> }[] = []
  const cursor = new Cursor(text)
  while (!cursor.atEnd()) {
    const name = cursor.take(TOKEN)?.[0].toLowerCase()
    if (name === undefined) break
    const current = challenges.at(-1)
    if (current !== undefined && cursor.take(EQUALS) !== undefined) {
      const value = cursor.take(QUOTED)?.[1]?.replace(/\\(.)/g, '$1') ?? cursor.take(TOKEN)?.[0]
      if (value === undefined) break
      current.params.set(name, value)
    } else {
      challenges.push({ scheme: name, params: new Map() })
      // A credential blob, as in "Negotiate YII=": nothing here needs its content.
      cursor.take(TOKEN68)
    }
  }
  return challenges
}

/** A position in a text, moved by sticky patterns. */
class Cursor {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Skips separators and says whether anything is left. */
  atEnd(): boolean {
    this.take(SEPARATORS)
    return this.#at >= this.#text.length
  }

  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#at = pattern.lastIndex
    return match
  }
}
