import assert from 'node:assert/strict'
import { chmod, cp, glob, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { DaemonSet, StatefulSet } from 'kubernetes-types/apps/v1.d.ts'
import type { PodSpec, Service } from 'kubernetes-types/core/v1.d.ts'
import { parse } from 'yaml'
import { z } from 'zod'
import { execute } from '../support/execute.ts'
import { readManifests, schemaFaults } from '../support/kubernetes.ts'
import { brokenRules } from '../support/kubernetes-rules.ts'
import { findProgram } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const ROOT = join(import.meta.dirname, '../..')
const DIRECTORY = join(ROOT, 'config/kubernetes')
const SECRET_KEYS = ['admin.token', 'agent.key', 'cache.key']

const kustomizationSchema = z.looseObject({
  resources: z.array(z.string()),
  configMapGenerator: z.array(z.strictObject({ name: z.string(), files: z.array(z.string()) })).default([]),
})

/** Of the Prometheus operator, whose schema is no part of Kubernetes': what is used of it. */
const podMonitorSchema = z.strictObject({
  apiVersion: z.literal('monitoring.coreos.com/v1'),
  kind: z.literal('PodMonitor'),
  metadata: z.strictObject({ name: z.string() }),
  spec: z.strictObject({
    selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
    podMetricsEndpoints: z.array(
      z.strictObject({
        port: z.string(),
        path: z.literal('/metrics'),
        interval: z.string(),
        authorization: z.strictObject({ type: z.literal('Bearer'), credentials: z.record(z.string(), z.string()) }),
      }),
    ),
  }),
})

const kustomization = kustomizationSchema.parse(parse(await readFile(join(DIRECTORY, 'kustomization.yaml'), 'utf8')))
const files = kustomization.resources.map((file) => join(DIRECTORY, file))
const undoFile = join(DIRECTORY, 'uninstall/undo.yaml')
const resources = (await Promise.all([...files, undoFile].map(readManifests))).flat()

/** Resources whose shape another test has proven. */
function find<T>(kind: string, name: string): T {
  const found = resources.find((one) => {
    const { kind: k, metadata } = one as { kind: string; metadata: { name: string } }
    return k === kind && metadata.name === name
  })
  assert.ok(found !== undefined, `${kind} ${name}`)
  return found as T
}

const agents = find<DaemonSet>('DaemonSet', 'shoal-agent')
const caches = find<StatefulSet>('StatefulSet', 'shoal-cache')
const undo = find<DaemonSet>('DaemonSet', 'shoal-undo')
const agentPod = podOf(agents)
const pods: readonly PodSpec[] = [agentPod, podOf(caches), podOf(undo)]

function podOf({ spec }: DaemonSet | StatefulSet): PodSpec {
  assert.ok(spec?.template.spec !== undefined)
  return spec.template.spec
}

function initContainer(pod: PodSpec, name: string) {
  const found = pod.initContainers?.find((one) => one.name === name)
  assert.ok(found !== undefined, name)
  return found
}

describe('the Kubernetes manifests', () => {
  it('are what the schema of Kubernetes says, to the last key', async () => {
    await using directory = await TempDir.make()
    assert.equal(await schemaFaults(resources, directory.path), '')
    const spec = { ...caches.spec, replica: 3 }
    assert.match(await schemaFaults([{ ...caches, spec }], directory.path), /"replica"' does not exist/)
    const { selector: _, ...incomplete } = caches.spec ?? {}
    assert.match(await schemaFaults([{ ...caches, spec: incomplete }], directory.path), /'selector' is missing/)
  })

  it('keep the rules by which an API server refuses what its schema lets pass', () => {
    assert.deepEqual(resources.flatMap(brokenRules), [])
    const [container] = agentPod.containers
    const broken = (change: object, pod: object = {}): string[] => {
      const spec = { ...agentPod, containers: [{ ...container, ...change }], ...pod }
      return brokenRules({ ...agents, spec: { ...agents.spec, template: { ...agents.spec?.template, spec } } })
    }
    const says: readonly (readonly [RegExp, string[]])[] = [
      [/is no name of a port/, broken({ ports: [{ name: 'a-name-that-is-too-long', containerPort: 1, hostPort: 1 }] })],
      [/both ports are one/, broken({ ports: [{ name: 'peer', containerPort: 7071, hostPort: 7070 }] })],
      [/is no name of a variable/, broken({ env: [{ name: '1 VALUE', value: '' }] })],
      [/memory: 1gb is no quantity/, broken({ resources: { requests: { memory: '1gb' } } })],
      [/more memory than its limit/, broken({ resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } })],
      [/no absolute path/, broken({ volumeMounts: [{ name: 'tmp', mountPath: 'tmp' }] })],
      [/is no name of a container/, broken({ name: 'Agent' })],
      [/two volumes are called a/, broken({}, { volumes: [{ name: 'a' }, { name: 'a' }] })],
      [/mode is 1000/, broken({}, { volumes: [{ name: 'a', secret: { defaultMode: 1000 } }] })],
      [/is no name/, brokenRules({ ...agents, metadata: { name: 'shoal_agent' } })],
      [/lack: app/, brokenRules({ ...agents, spec: { ...agents.spec, selector: { matchLabels: { app: 'shoal' } } } })],
    ]
    for (const [text, faults] of says) {
      assert.equal(faults.length, 1, String(faults))
      assert.match(faults[0] ?? '', text)
    }
  })

  it('are all in the kustomization, and it names nothing that is not there', async () => {
    const there = (await readdir(DIRECTORY)).filter(
      (name) => /\.(yaml|mjs)$/.test(name) && name !== 'kustomization.yaml',
    )
    const named = [...kustomization.resources, ...kustomization.configMapGenerator.flatMap(({ files: some }) => some)]
    assert.deepEqual(there.sort(), named.sort())
    for (const directory of ['monitoring', 'uninstall']) {
      const text = await readFile(join(DIRECTORY, directory, 'kustomization.yaml'), 'utf8')
      const inside = (await readdir(join(DIRECTORY, directory))).filter((name) => name !== 'kustomization.yaml')
      assert.deepEqual(kustomizationSchema.parse(parse(text)).resources, inside)
    }
  })

  const skip =
    findProgram('kubectl') === undefined ? 'needs kubectl, which renders them as a cluster is given them' : false
  it('come out of kubectl with names and images in their places, as the schema says', { skip }, async () => {
    await using directory = await TempDir.make()
    const { stdout } = await execute('kubectl', ['kustomize', DIRECTORY])
    const rendered = join(directory.path, 'rendered.yaml')
    await writeFile(rendered, stdout)
    const all = await readManifests(rendered)
    // the settings become one more
    const own = resources.length - (await readManifests(undoFile)).length
    assert.equal(all.length, own + 1)
    assert.equal(await schemaFaults(all, directory.path), '')
    assert.doesNotMatch(stdout, /image: shoal$/m)
  })

  it('have Prometheus ask the port and show the token that the pods have', async () => {
    const [monitor] = await readManifests(join(DIRECTORY, 'monitoring/pod-monitor.yaml'))
    const { spec } = podMonitorSchema.parse(monitor)
    for (const { spec: pod } of [agents, caches]) {
      const labels = pod?.template.metadata?.labels ?? {}
      for (const [name, value] of Object.entries(spec.selector.matchLabels)) assert.equal(labels[name], value)
      const ports = pod?.template.spec?.containers.flatMap(({ ports: some }) => some?.map(({ name }) => name))
      for (const { port, authorization } of spec.podMetricsEndpoints) {
        assert.ok(ports?.includes(port), port)
        assert.deepEqual(authorization.credentials, { name: 'shoal-keys', key: 'admin.token' })
      }
    }
  })

  it('name only secrets, settings, volumes, ports and accounts that there are', () => {
    const [configMap] = kustomization.configMapGenerator
    for (const pod of pods) {
      const volumes = new Set(pod.volumes?.map(({ name }) => name))
      if (pod === podOf(caches))
        for (const claim of caches.spec?.volumeClaimTemplates ?? []) volumes.add(claim.metadata?.name ?? '')
      for (const volume of pod.volumes ?? []) {
        if (volume.configMap !== undefined) assert.equal(volume.configMap.name, configMap?.name)
        if (volume.secret === undefined) continue
        assert.equal(volume.secret.secretName, 'shoal-keys')
        for (const { key } of volume.secret.items ?? []) assert.ok(SECRET_KEYS.includes(key), key)
      }
      for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
        for (const { name } of container.volumeMounts ?? []) assert.ok(volumes.has(name), `${container.name}: ${name}`)
        const ports = new Set(container.ports?.map(({ name }) => name))
        for (const probe of [container.readinessProbe, container.livenessProbe]) {
          if (probe !== undefined) assert.ok(ports.has(String(probe.httpGet?.port)), container.name)
        }
      }
    }
    find('ServiceAccount', agentPod.serviceAccountName ?? '')
    const service = find<Service>('Service', caches.spec?.serviceName ?? '')
    assert.deepEqual(service.spec?.selector, caches.spec?.template.metadata?.labels)
  })

  it('give no container more than it needs: a read-only root, no capability that it does not use', () => {
    for (const pod of pods) {
      for (const { name, securityContext } of [...(pod.initContainers ?? []), ...pod.containers]) {
        assert.equal(securityContext?.readOnlyRootFilesystem, true, name)
        assert.equal(securityContext?.allowPrivilegeEscalation, false, name)
        assert.deepEqual(securityContext?.capabilities?.drop, ['ALL'], name)
      }
    }
  })

  it('read their settings where the files of the repository are mounted', async () => {
    for (const [pod, file] of [
      [agentPod, 'agent.yaml'],
      [podOf(caches), 'cache.yaml'],
    ] as const) {
      const [container] = pod.containers
      const command = [...(container?.command ?? []), ...(container?.args ?? [])].join(' ')
      assert.ok(command.includes(`/etc/shoal/config/${file}`))
      const text = await readFile(join(DIRECTORY, file), 'utf8')
      for (const [path] of text.matchAll(/\/etc\/shoal\/[\w./-]+/g)) {
        const secret = pod.volumes?.find(({ name }) => name === 'keys')?.secret
        const paths = secret?.items?.map((item) => `/etc/shoal/keys/${item.path}`)
        assert.ok(paths?.includes(path), path)
      }
    }
  })
})

describe('the init containers', () => {
  it('learn zone, labels and the version of the runtime from the API server', async () => {
    await using directory = await TempDir.make()
    const labels = { 'topology.kubernetes.io/zone': 'eu-1a', 'shoal/disk': 'ssd', 'kubernetes.io/os': 'linux' }
    const node = { metadata: { labels }, status: { nodeInfo: { containerRuntimeVersion: 'containerd://2.1.3' } } }
    const asked: unknown[] = []
    const server = createServer((request, response) => {
      asked.push([request.url, request.headers.authorization])
      response.end(JSON.stringify(node))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const token = join(directory.path, 'token')
    await writeFile(token, 'a-token\n')
    const facts = join(directory.path, 'facts')
    const env = {
      KUBERNETES_API: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      NODE_NAME: 'node-7',
      TOKEN_FILE: token,
    }
    await execute(process.execPath, [join(DIRECTORY, 'node-facts.mjs'), facts], { env: { ...process.env, ...env } })
    server.close()
    assert.deepEqual(asked, [['/api/v1/nodes/node-7', 'Bearer a-token']])
    const { stdout } = await execute('sh', ['-ec', `. ${facts}; env | grep -E '^(SHOAL_|RUNTIME)' | sort`])
    assert.equal(stdout, 'RUNTIME_VERSION=2.1.3\nSHOAL_TIER_LABELS={"disk":"ssd"}\nSHOAL_TIER_ZONE=eu-1a\n')
  })

  it("write the node's containerd files as they stand in the manifests, and take them back byte for byte", async () => {
    await using directory = await TempDir.make()
    const host = join(directory.path, 'host')
    const keys = join(directory.path, 'keys')
    const bin = join(directory.path, 'bin')
    for (const made of [join(host, 'etc/containerd'), join(host, 'var/lib'), keys, bin])
      await mkdir(made, { recursive: true })
    const before = 'version = 3\n# of the node\n'
    await writeFile(join(host, 'etc/containerd/config.toml'), before)
    for (const key of SECRET_KEYS) await writeFile(join(keys, key), 'a-secret-of-many-letters\n', { mode: 0o600 })
    await writeFile(join(directory.path, 'facts'), "export RUNTIME_VERSION='2.1.3'\nexport SHOAL_TIER_ZONE='eu-1a'\n")
    await cp(join(DIRECTORY, 'agent.yaml'), join(directory.path, 'agent.yaml'))
    await writeFile(join(bin, 'shoal'), `#!/bin/sh\nexec ${process.execPath} ${join(ROOT, 'src/main.ts')} "$@"\n`)
    // the directory's owner is another user's in the image, which need not be root here
    await writeFile(join(bin, 'install'), '#!/bin/sh\nmkdir -p "$(eval echo \\$$#)"\n')
    for (const program of ['shoal', 'install']) await chmod(join(bin, program), 0o755)
    const inHere = (text: string): string =>
      text
        .replaceAll('/host', host)
        .replaceAll('/run/shoal', directory.path)
        .replaceAll('/etc/shoal/config', directory.path)
    const yaml = join(directory.path, 'agent.yaml')
    await writeFile(yaml, (await readFile(yaml, 'utf8')).replaceAll('/etc/shoal/keys', keys))
    const run = ({ command = [], args = [] }: { command?: string[]; args?: string[] }) => {
      const [program = '', ...rest] = [...command, ...args].map(inHere)
      return execute(program, rest, { env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } })
    }
    await run(initContainer(agentPod, 'configure'))
    const hosts = await readFile(join(host, 'etc/containerd/certs.d/docker.io/hosts.toml'), 'utf8')
    assert.match(hosts, /\[host\."http:\/\/127\.0\.0\.1:7070"\]/)
    assert.match(
      await readFile(join(host, 'etc/containerd/config.toml'), 'utf8'),
      /config_path = "\/etc\/containerd\/certs\.d"/,
    )
    // a pod that starts again finds it done
    await run(initContainer(agentPod, 'configure'))
    await run(initContainer(podOf(undo), 'undo'))
    assert.equal(await readFile(join(host, 'etc/containerd/config.toml'), 'utf8'), before)
    for await (const left of glob('**/hosts.toml', { cwd: host })) assert.fail(left)
  })
})
