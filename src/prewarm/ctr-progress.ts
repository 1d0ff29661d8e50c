import { parseSizeBytes } from '../base/quantity.ts'
import type { LoadProgress } from './loader.ts'

/** `layer-sha256:...: downloading |+++---| 1.2 MiB/20.0 MiB`, without colours; newer clients put a branch in front. */
const ROW =
  /(layer|config)[- (]+(sha256:[0-9a-f]{12,64}|[0-9a-f]{12})[^a-z]*([a-z]+)(?:[^|]*\|[^|]*\|\s*(\S+ ?[KMGT]?i?B)\/(\S+ ?[KMGT]?i?B))?/
// What terminals take for colours and cursor moves: ECMA-48 control sequences.
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what these begin with
const CONTROL = /\u001b\[[0-9;?]*[A-Za-z]/g
const MAX_BLOBS = 1000

/**
 * What containerd's own client prints while it pulls, made into progress: a table for eyes, printed again and again.
 * Only its words may change between versions, so that a line nobody understands is no error.
 */
export class CtrProgress {
  readonly #blobs = new Map<string, { done: number; total: number }>()
  #unpacking = false

  /** Whether the line told anything new. */
  note(line: string): boolean {
    const text = line.replaceAll(CONTROL, '')
    if (/^(?:unpacking|extracting)\b/.test(text)) {
      const before = this.#unpacking
      this.#unpacking = true
      return !before
    }
    const row = ROW.exec(text)
    if (row === null) return false
    const [, , id = '', state = '', doneText = '', totalText = ''] = row
    // Newer clients unpack layers while others still come.
    const extracting = state === 'extracting' || state === 'extracted'
    this.#unpacking ||= extracting
    const known = this.#blobs.get(id)
    if (known === undefined && this.#blobs.size >= MAX_BLOBS) return false
    const total = Math.max(parseSizeBytes(totalText) ?? 0, known?.total ?? 0)
    const finished = extracting || state === 'done' || state === 'exists' || state === 'complete'
    const done = Math.max(finished ? total : Math.min(parseSizeBytes(doneText) ?? 0, total), known?.done ?? 0)
    this.#blobs.set(id, { done, total })
    return known?.done !== done || known.total !== total
  }

  progress(): LoadProgress {
    let [doneBytes, totalBytes] = [0, 0]
    for (const { done, total } of this.#blobs.values()) {
      doneBytes += done
      totalBytes += total
    }
    return { state: this.#unpacking ? 'unpacking' : 'pulling', doneBytes, totalBytes }
  }
}
