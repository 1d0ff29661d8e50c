import { errorText, ShoalError } from '../base/errors.ts'
import { DOCKER_HUB } from '../oci/reference.ts'
import { PROBE_DIGEST, PROBE_REPOSITORY } from '../registry/index.ts'
import { DockerEngine, pullImage, runProgram } from '../runtime/index.ts'
import type { SetupRuntime } from '../setup/index.ts'
import type { Finding } from './doctor-findings.ts'
import { fault, ok } from './doctor-findings.ts'
import { DOCKER_SOCKET } from './runtime-detection.ts'

const PULL_MS = 60_000
const CONTAINERD_HOSTS = '/etc/containerd/certs.d'
/** Beside what runs on the host. */
const CONTAINERD_NAMESPACE = 'shoal-doctor'

/** Has a runtime pull an image, and take it away again. Rejects with what the runtime says. */
type Pull = (image: string, signal: AbortSignal) => Promise<void>

/** Undefined: of what it pulls by itself, nothing can be seen from here. */
const PULLS: Readonly<Record<SetupRuntime, Pull | undefined>> = {
  docker: async (image, signal) => {
    await using engine = new DockerEngine(DOCKER_SOCKET)
    await pullImage(engine, image, PROBE_DIGEST, signal)
    await engine.delete(`/images/${image}@${PROBE_DIGEST}`, signal)
  },
  podman: async (image, signal) => {
    await run('podman', ['pull', '--quiet', `${image}@${PROBE_DIGEST}`], signal)
    await run('podman', ['rmi', `${image}@${PROBE_DIGEST}`], signal)
  },
  containerd: async (image, signal) => {
    const own = ['--namespace', CONTAINERD_NAMESPACE]
    const name = `${image}@${PROBE_DIGEST}`
    // not unpacked: that is no matter of where it comes from
    await run('ctr', [...own, 'content', 'fetch', '--hosts-dir', CONTAINERD_HOSTS, name], signal)
    await run('ctr', [...own, 'images', 'rm', '--sync', name], signal)
    await run('ctr', ['namespaces', 'rm', CONTAINERD_NAMESPACE], signal)
  },
  crio: undefined,
  buildkit: undefined,
  nerdctl: undefined,
}

/**
 * Whether a pull of the runtime really goes through the agent: it is asked for an image that no registry has, and every
 * agent's mirror. Undefined where that cannot be tried. `registries`: those it is set up for.
 */
export async function pullFinding(
  runtime: SetupRuntime,
  name: string,
  registries: readonly string[],
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const pull = PULLS[runtime]
  const registry = registries.find((one) => (runtime === 'docker' ? one === DOCKER_HUB : one !== '*'))
  if (pull === undefined || registry === undefined) return undefined
  try {
    await pull(`${registry}/${PROBE_REPOSITORY}`, AbortSignal.any([signal, AbortSignal.timeout(PULL_MS)]))
    return ok('runtime', `${name} pulls through an agent's mirror`)
  } catch (error) {
    signal.throwIfAborted()
    const text = `${name} does not pull through the agent: of ${registry} it did not get the image that only a mirror has (${errorText(error)})`
    return fault('runtime', text, `see that the agent runs, and: sudo shoal configure ${runtime} --restart`)
  }
}

async function run(program: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const { how, stderr } = await runProgram(program, args, signal)
  if (how !== 0) throw new ShoalError('UNAVAILABLE', stderr.trim().split('\n').at(-1) ?? `${program} ended with ${how}`)
}
