import { access } from 'node:fs/promises'
import { z } from 'zod'
import { DockerEngine, runProgram } from '../runtime/index.ts'
import type { ImageStore, RuntimeVersion, SetupRuntime } from '../setup/index.ts'
import { parseVersion } from '../setup/index.ts'

interface DetectedRuntime {
  readonly version: RuntimeVersion | undefined
  /** Docker's, as the running engine says. */
  readonly store: ImageStore | undefined
}

/** The program whose version counts: the daemon, not its client, which may be another one's. */
const PROGRAMS: Readonly<Record<SetupRuntime, string>> = {
  docker: 'dockerd',
  containerd: 'containerd',
  podman: 'podman',
  crio: 'crio',
  buildkit: 'buildkitd',
  nerdctl: 'nerdctl',
}
/** Where daemons are, which a user's PATH may lack. */
const DIRECTORIES = ['', '/usr/local/sbin/', '/usr/local/bin/', '/usr/sbin/', '/usr/bin/']
const DETECTION_MS = 10_000

export const DOCKER_SOCKET = '/var/run/docker.sock'
/** A socket may start the engine for whoever asks: only one that runs is asked. */
const DOCKER_PID_FILE = '/var/run/docker.pid'
const engineSchema = z.object({
  ServerVersion: z.string(),
  DriverStatus: z.array(z.array(z.string())).nullish(),
})

/** What the machine says of a runtime: the running engine, else the installed program; nothing where there is neither. */
export async function detectRuntime(runtime: SetupRuntime, signal: AbortSignal): Promise<DetectedRuntime> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(DETECTION_MS)])
  const running = runtime === 'docker' ? await runningEngine(limited).catch(() => undefined) : undefined
  if (running !== undefined) return running
  const version = await installedVersion(PROGRAMS[runtime], limited).catch(() => undefined)
  signal.throwIfAborted()
  return { version, store: undefined }
}

async function runningEngine(signal: AbortSignal): Promise<DetectedRuntime | undefined> {
  await access(DOCKER_PID_FILE)
  await using engine = new DockerEngine(DOCKER_SOCKET)
  const { ServerVersion, DriverStatus } = await engine.json('/info', engineSchema, signal)
  const isContainerd = DriverStatus?.some(([, value]) => value?.startsWith('io.containerd.snapshotter')) === true
  return { version: parseVersion(ServerVersion), store: isContainerd ? 'containerd' : 'classic' }
}

async function installedVersion(program: string, signal: AbortSignal): Promise<RuntimeVersion | undefined> {
  for (const directory of DIRECTORIES) {
    const { how, stdout } = await runProgram(`${directory}${program}`, ['--version'], signal)
    if (how === 0) return parseVersion(stdout)
  }
  return undefined
}
