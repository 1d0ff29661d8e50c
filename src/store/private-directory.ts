import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { errnoCode } from '../base/errno.ts'
import { ShoalError } from '../base/errors.ts'

const OTHERS = 0o077
const WRITE_BY_OTHERS = 0o002
const OWNER = 0o700

/**
 * Makes sure that a directory which may have been there before is this user's alone: blobs of private repositories lie in
 * it, and whoever can write there could plant links that a write follows. Takes rights away from group and others. Throws
 * `STORE_FAILED`, naming the path and its mode, when it belongs to somebody else or cannot be made private. `isRoot`: the
 * path is the operator's own word, which may be a link, or a mount that root made for this user's group: what is in it is
 * private then.
 */
export async function makePrivate(path: string, isRoot: boolean): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | (isRoot ? 0 : constants.O_NOFOLLOW))
  try {
    const before = await directory.stat()
    const self = process.geteuid?.() ?? before.uid
    if (isRoot && before.uid === 0 && self !== 0 && (before.mode & WRITE_BY_OTHERS) === 0) return
    if (before.uid !== self) {
      throw unfit(
        path,
        before,
        `belongs to uid ${before.uid}; give it to uid ${self} (chown -R), or set store.path to another`,
      )
    }
    if ((before.mode & OTHERS) === 0) return
    await directory.chmod(OWNER)
    const after = await directory.stat()
    if ((after.mode & OTHERS) !== 0) throw unfit(path, after, 'is open to others, and its file system keeps no modes')
  } catch (error) {
    // nothing can be written there, and what can be read was so before
    if (errnoCode(error) !== 'EROFS') throw error
  } finally {
    await directory.close()
  }
}

function unfit(path: string, { mode, uid }: Stats, why: string): ShoalError {
  const text = (mode & 0o7777).toString(8)
  return new ShoalError('STORE_FAILED', `${path} (mode ${text}) ${why}`, { details: { path, mode: text, uid } })
}
