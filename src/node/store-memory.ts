import { totalmem } from 'node:os'
import type { Config } from '../config/index.ts'

const MIB = 1024 * 1024

/** Blobs held in memory while the disk takes none: little on a host that runs containers, on a cache what its region pulls. */
const MEMORY_BYTES: Readonly<Record<Config['role'], () => number>> = {
  agent: () => 64 * MIB,
  cache: () => Math.min(1024 * MIB, Math.floor(totalmem() / 4)),
}

export function storeMemory(role: Config['role']): number {
  return MEMORY_BYTES[role]()
}
