import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuiltImage } from '../../src/demo/index.ts'
import { digestHex } from '../../src/oci/digest.ts'
import { execute } from './execute.ts'

/** Writes a built image in the layout of skopeo's own `dir:` transport, with a policy that accepts it. */
export async function saveDir(directory: string, image: BuiltImage): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'version'), 'Directory Transport Version: 1.1\n')
  await copyFile(image.manifest.path, join(directory, 'manifest.json'))
  for (const { digest, path } of [image.config, ...image.layers]) {
    await copyFile(path, join(directory, digestHex(digest)))
  }
  await writeFile(join(directory, 'policy.json'), JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
}

/** Pushes a built image to a registry over plain HTTP, as a CI job would. `reference` is `host:port/repository:tag`. */
export async function skopeoPush(directory: string, image: BuiltImage, reference: string): Promise<void> {
  await saveDir(directory, image)
  const policy = join(directory, 'policy.json')
  const args = ['--policy', policy, 'copy', '--preserve-digests', '--dest-tls-verify=false']
  await execute('skopeo', [...args, `dir:${directory}`, `docker://${reference}`])
}
