/** The code of a failed system call or library, such as `ENOENT` or `LEVEL_LOCKED`; undefined for everything else. */
export function errnoCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** What a system call on a disk says that is out of room (bytes, files or quota), read-only, or failing. */
const DISK_FAULTS: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'ENXIO', 'ESTALE'])

/** Whether the disk is at fault, so that nothing in the configuration has to change. */
export function isDiskFault(error: unknown): boolean {
  return DISK_FAULTS.has(errnoCode(error))
}
