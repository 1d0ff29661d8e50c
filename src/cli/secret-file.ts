import { open } from 'node:fs/promises'
import { errnoCode } from '../base/errno.ts'
import { errorText, ShoalError } from '../base/errors.ts'

/** Creates a file that only its owner reads, whole and on the disk. Throws `CONFIG_INVALID` when it exists or cannot be made. */
export async function createSecretFile(option: string, file: string, text: string): Promise<void> {
  try {
    await using handle = await open(file, 'wx', 0o600)
    await handle.writeFile(text)
    await handle.sync()
  } catch (cause) {
    const exists = errnoCode(cause) === 'EEXIST'
    const why = exists ? 'exists, and keys are never overwritten; choose another file' : errorText(cause)
    throw new ShoalError('CONFIG_INVALID', `${option} ${file}: ${why}`, { cause })
  }
}
