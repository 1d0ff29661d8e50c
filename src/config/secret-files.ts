import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { errnoCode } from '../base/errno.ts'
import type { Problem } from './problem.ts'
import type { Settings } from './schema.ts'
import type { KeyPath } from './schema-walk.ts'

interface SecretFileFindings {
  readonly problems: readonly Problem[]
  /** Files that other users of this machine can read: worth a warning, no reason to stop. */
  readonly warnings: readonly Problem[]
}

/** Looks at every file of secrets the settings name: it must be there and readable, and should be private. */
export async function checkSecretFiles(settings: Partial<Settings>, cwd: string): Promise<SecretFileFindings> {
  const problems: Problem[] = []
  const warnings: Problem[] = []
  for (const { path, file, isPublic } of [...secretFiles(settings), ...publicFiles(settings)]) {
    const finding = await lookAt(resolve(cwd, file))
    if (finding?.fatal === true) problems.push({ path, message: `${file} ${finding.message}` })
    else if (finding !== undefined && isPublic !== true) warnings.push({ path, message: `${file} ${finding.message}` })
  }
  return { problems, warnings }
}

interface NamedFile {
  readonly path: KeyPath
  readonly file: string
  /** Nobody minds who reads it. */
  readonly isPublic?: boolean
}

/** Certificates, what was revoked, keys of who signs images. */
function publicFiles({ fleet, upstreams }: Partial<Settings>): NamedFile[] {
  const isPublic = true
  const files: NamedFile[] = (fleet?.authorities ?? []).map((file, i) => {
    return { path: ['fleet', 'authorities', i], file, isPublic }
  })
  for (const [i, { signatures }] of (upstreams ?? []).entries()) {
    for (const [j, file] of (signatures?.keys ?? []).entries()) {
      files.push({ path: ['upstreams', i, 'signatures', 'keys', j], file, isPublic })
    }
  }
  if (fleet?.revocations) files.push({ path: ['fleet', 'revocations'], file: fleet.revocations, isPublic })
  // the key is elsewhere, so this is a certificate only
  if (fleet?.credential && fleet.credentialKey)
    files.push({ path: ['fleet', 'credential'], file: fleet.credential, isPublic })
  return files
}

function secretFiles({ fleet, admin, prewarm, upstreams }: Partial<Settings>): NamedFile[] {
  const files: NamedFile[] = []
  if (fleet?.keyFile) files.push({ path: ['fleet', 'keyFile'], file: fleet.keyFile })
  if (fleet?.credentialKey) files.push({ path: ['fleet', 'credentialKey'], file: fleet.credentialKey })
  else if (fleet?.credential) files.push({ path: ['fleet', 'credential'], file: fleet.credential })
  if (admin?.tokenFile) files.push({ path: ['admin', 'tokenFile'], file: admin.tokenFile })
  for (const [i, { secretFile }] of (prewarm?.hooks ?? []).entries()) {
    files.push({ path: ['prewarm', 'hooks', i, 'secretFile'], file: secretFile })
  }
  for (const [i, upstream] of (upstreams ?? []).entries()) {
    for (const [j, origin] of upstream.origins.entries()) {
      const file = origin.kind === 'registry' ? origin.credentials?.file : undefined
      if (file !== undefined) files.push({ path: ['upstreams', i, 'origins', j, 'credentials', 'file'], file })
    }
  }
  return files
}

async function lookAt(file: string): Promise<{ fatal: boolean; message: string } | undefined> {
  try {
    const found = await stat(file)
    if (!found.isFile()) return { fatal: true, message: 'is no file' }
    await access(file, constants.R_OK)
    return isShared(found) ? { fatal: false, message: 'can be read by other users; run chmod 600 on it' } : undefined
  } catch (error) {
    const missing = errnoCode(error) === 'ENOENT'
    return { fatal: true, message: missing ? 'does not exist' : 'cannot be read; check its owner and mode' }
  }
}

/** Root may lend a file to a group that this process is of: so services and pods are given theirs. */
function isShared({ mode, uid, gid }: Stats): boolean {
  const rights = mode & 0o077
  const isLent = uid === 0 && (process.getegid?.() === gid || process.getgroups?.().includes(gid) === true)
  return rights !== 0 && !(rights === 0o040 && isLent)
}
