import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../base/log.ts'
import { readSmallFile } from '../base/small-file.ts'
import type { Authority } from './authorities.ts'
import type { RevocationList } from './revocation-list.ts'
import { readRevocationList } from './revocation-list.ts'

/** A list that proved itself, and whether it told anything. */
export interface TakenList {
  readonly list: RevocationList
  readonly isNews: boolean
}

/** Some hundred thousand serial numbers. */
const MAX_FILE_BYTES = 16 * 1024 * 1024
const FILE = /^revocations-[0-9a-f]{16}\.crl$/

/**
 * The newest revocation list of each authority, from wherever it came: a list proves itself, so that anybody may hand it on.
 * Kept on disk, so that a restart does not forget who was revoked.
 */
export class Revocations {
  readonly #directory: string | undefined
  readonly #logger: Logger
  /** By the authority's fingerprint. */
  #lists = new Map<string, RevocationList>()
  #turn: Promise<unknown> = Promise.resolve()

  /** `directory`: where lists are kept; undefined keeps them in memory only. */
  constructor(directory: string | undefined, logger: Logger) {
    this.#directory = directory
    this.#logger = logger
  }

  isRevoked(authority: string, serial: string): boolean {
    return this.#lists.get(authority)?.revoked.has(serial) ?? false
  }

  get lists(): readonly RevocationList[] {
    return [...this.#lists.values()]
  }

  /** When the newest list of an authority was issued (epoch ms); 0 without one. */
  issuedAt(authority: string): number {
    return this.#lists.get(authority)?.issuedAtMs ?? 0
  }

  /** Reads what an earlier process has kept. What is damaged is skipped and said. */
  async recall(authorities: readonly Authority[]): Promise<void> {
    if (this.#directory === undefined) return
    const names = await readdir(this.#directory).catch((): string[] => [])
    for (const name of names.filter((one) => FILE.test(one))) {
      const file = join(this.#directory, name)
      try {
        const found = await readSmallFile(file, MAX_FILE_BYTES)
        if (found !== undefined) await this.take(found, authorities)
      } catch (error) {
        this.#logger.warn({ file, err: error }, 'a kept revocation list was skipped')
      }
    }
  }

  /** Takes a list in if it is newer than what is known of its authority. Rejects with a plain Error when it is by none of these. */
  take(encoded: Uint8Array | string, authorities: readonly Authority[]): Promise<TakenList> {
    const taking = this.#turn.then(() => this.#take(encoded, authorities))
    this.#turn = taking.catch(() => {})
    return taking
  }

  async #take(encoded: Uint8Array | string, authorities: readonly Authority[]): Promise<TakenList> {
    const list = await readRevocationList(encoded, authorities)
    if (list.issuedAtMs <= this.issuedAt(list.authority)) return { list, isNews: false }
    // lists of authorities that are gone go with them
    const known = authorities.map(({ fingerprint }) => fingerprint)
    this.#lists = new Map([...this.#lists].filter(([authority]) => known.includes(authority)))
    this.#lists.set(list.authority, list)
    await this.#keep(list)
    return { list, isNews: true }
  }

  async #keep(list: RevocationList): Promise<void> {
    if (this.#directory === undefined) return
    const file = join(this.#directory, `revocations-${list.authority.slice(0, 16)}.crl`)
    const temporary = `${file}.${randomBytes(6).toString('hex')}`
    try {
      await mkdir(this.#directory, { recursive: true })
      await writeFile(temporary, list.der, { mode: 0o600, flush: true })
      await rename(temporary, file)
    } catch (error) {
      this.#logger.warn({ file, err: error }, 'a revocation list cannot be kept: it is forgotten at the end')
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}
