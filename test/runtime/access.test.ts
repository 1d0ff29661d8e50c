import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Containerd } from '../support/containerd.ts'
import { containersConfig } from '../support/containers-image.ts'
import { Dockerd } from '../support/dockerd.ts'
import { execute } from '../support/execute.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'
import { TokenRegistry, USER } from '../support/token-registry.ts'

/** Registries that no name server knows: what is pulled from them has come through the agent. */
const MODES = { 'open.test': 'public', 'fleet.test': 'node', 'private.test': 'passthrough' } as const
const RIGHT = `${USER.username}:${USER.password}`
const CREDENTIALS = { none: undefined, right: RIGHT, wrong: `${USER.username}:guess` } as const

/** One agent that serves the registries, Docker Hub's stand-in among them, each in its mode. Gives `host:port`. */
async function startAgent(t: TestContext): Promise<string> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 400_000, layerCount: 2, gzip: true })
  const hub = await TokenRegistry.start(t, image, 'library/app')
  const upstreams = [hub.upstream('docker.io', 'passthrough')]
  for (const [name, access] of Object.entries(MODES)) {
    const registry = await TokenRegistry.start(t, image)
    registry.isOpen = access === 'public'
    upstreams.push(registry.upstream(name, access))
  }
  return (await fleet.start({ upstreams })).node.addresses.mirror
}

type Pull = (registry: string, credentials: string | undefined) => Promise<unknown>

/** Each mode with each kind of credentials. */
async function checkAll(pull: Pull): Promise<void> {
  for (const [registry, access] of Object.entries(MODES)) {
    for (const [kind, credentials] of Object.entries(CREDENTIALS)) {
      const pulled = await pull(registry, credentials).then(
        () => 'pulled',
        (error: Error) => error.message,
      )
      const what = `${access}, credentials ${kind}: ${pulled}`
      assert.equal(pulled === 'pulled', access !== 'passthrough' || kind === 'right', what)
    }
  }
}

/** What `podman login NAME` leaves; such programs give what `--creds` says to the registry only, not to its mirrors. */
function logIn(file: string, name: string, credentials: string | undefined): Promise<void> {
  const auth = credentials === undefined ? undefined : Buffer.from(credentials).toString('base64')
  return writeFile(file, JSON.stringify({ auths: auth === undefined ? {} : { [name]: { auth } } }))
}

const SKOPEO = { programs: ['skopeo'], packages: 'skopeo' }

runtimeTest('skopeo reads what its credentials open, by the mirror setting and by name', SKOPEO, async (t) => {
  await using temp = await TempDir.make()
  const mirror = await startAgent(t)
  const copyTo = join(temp.path, 'copy')
  for (const form of ['mirror setting', 'name'] as const) {
    await checkAll(async (registry, credentials) => {
      const { registriesConf, policy, env } = await containersConfig(temp.path, registry, mirror)
      await logIn(env.REGISTRY_AUTH_FILE, `${mirror}/${registry}`, credentials)
      const source = `docker://${form === 'name' ? `${mirror}/` : ''}${registry}/team/app:v1`
      await rm(copyTo, { recursive: true, force: true })
      const settings = ['--registries-conf', registriesConf, '--policy', policy]
      await execute('skopeo', [...settings, 'copy', '--src-tls-verify=false', source, `dir:${copyTo}`], { env })
    })
  }
})

const PODMAN = { programs: ['podman'], packages: 'podman' }

runtimeTest('podman pulls what its credentials open, by the mirror setting', PODMAN, async (t) => {
  await using temp = await TempDir.make()
  const mirror = await startAgent(t)
  const { policy, env } = await containersConfig(temp.path, 'private.test', mirror)
  const storage = ['root', 'runroot', 'tmpdir'].flatMap((name) => [`--${name}`, join(temp.path, name)])
  const podman = (...args: string[]) =>
    execute('podman', [...storage, '--storage-driver', 'vfs', '--events-backend', 'file', ...args], { env })
  const pull = async (password: string): Promise<void> => {
    const user = ['--username', USER.username, '--password', password]
    await podman('login', '--tls-verify=false', ...user, `${mirror}/private.test`)
    await podman('pull', '--signature-policy', policy, 'private.test/team/app:v1')
  }
  try {
    await assert.rejects(pull('guess'), /authentication required|prove yourself/)
    await pull(USER.password)
  } finally {
    // Lets go of mounts, so that the directory can be removed.
    await podman('system', 'reset', '--force')
  }
})

const CONTAINERD = { programs: ['containerd', 'ctr'], packages: 'containerd' }

runtimeTest('containerd fetches what its credentials open, by hosts.toml', CONTAINERD, async (t) => {
  await using temp = await TempDir.make()
  const mirror = await startAgent(t)
  await using containerd = await Containerd.start(join(temp.path, 'c'))
  await checkAll(async (registry, credentials) => {
    await containerd.useMirror(registry, `http://${mirror}`)
    const user = credentials === undefined ? [] : ['--user', credentials]
    await containerd.ctr('content', 'fetch', '--hosts-dir', containerd.hostsDir, ...user, `${registry}/team/app:v1`)
  })
})

runtimeTest('a header in hosts.toml proves a client that gives its mirrors no credentials', CONTAINERD, async (t) => {
  await using temp = await TempDir.make()
  const mirror = await startAgent(t)
  await using containerd = await Containerd.start(join(temp.path, 'c'))
  await containerd.useMirror('private.test', `http://${mirror}`, 'containerd hosts.toml with a header', {
    '<base64 of name:password>': Buffer.from(RIGHT).toString('base64'),
  })
  await containerd.ctr('content', 'fetch', '--hosts-dir', containerd.hostsDir, 'private.test/team/app:v1')
})

const DOCKER = { programs: ['dockerd', 'docker', 'containerd'], packages: 'docker.io containerd' }

runtimeTest("docker pulls what its credentials open, by name and as Docker Hub's mirror", DOCKER, async (t) => {
  await using temp = await TempDir.make()
  const mirror = await startAgent(t)
  await using dockerd = await Dockerd.start(join(temp.path, 'd'), { mirror: `http://${mirror}` })
  const logins = join(temp.path, 'd', 'client')
  await mkdir(logins, { recursive: true })
  const pull = async (image: string, credentials: string | undefined): Promise<void> => {
    const auth = credentials === undefined ? {} : { auth: Buffer.from(credentials).toString('base64') }
    const auths = credentials === undefined ? {} : { [mirror]: auth, 'https://index.docker.io/v1/': auth }
    await writeFile(join(logins, 'config.json'), JSON.stringify({ auths }))
    await dockerd.docker('pull', '--quiet', image)
    await dockerd.docker('rmi', image)
  }
  await dockerd.docker('login', '--username', USER.username, '--password', USER.password, mirror)
  await dockerd.docker('pull', '--quiet', `${mirror}/private.test/team/app:v1`)
  await dockerd.docker('rmi', `${mirror}/private.test/team/app:v1`)
  await checkAll((registry, credentials) => pull(`${mirror}/${registry}/team/app:v1`, credentials))
  for (const image of ['app:v1', `${mirror}/docker.io/library/app:v1`]) {
    await pull(image, RIGHT)
    await assert.rejects(pull(image, CREDENTIALS.wrong))
    await assert.rejects(pull(image, undefined))
  }
})
