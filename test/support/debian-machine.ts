import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { eventually } from './eventually.ts'
import { execute } from './execute.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Where this checkout is in the machine. */
export const CHECKOUT = '/srv/checkout'

/** Units of the machine under it that have no business in this one, or would reach the real kernel's settings. */
const MASKED = [
  'console-getty.service',
  'getty@.service',
  'systemd-tmpfiles-setup-dev.service',
  'systemd-binfmt.service',
  'systemd-logind.service',
  'systemd-modules-load.service',
  'systemd-sysctl.service',
  'systemd-udevd.service',
  'systemd-udev-trigger.service',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'sys-fs-fuse-connections.mount',
  'dev-hugepages.mount',
  'dev-mqueue.mount',
  'proc-sys-fs-binfmt_misc.automount',
  'timers.target',
  'remote-fs.target',
  'getty.target',
  'docker.service',
  'docker.socket',
  'containerd.service',
  'docker-registry.service',
  'podman.service',
  'podman.socket',
  'podman-auto-update.service',
  'podman-restart.service',
  'postgresql.service',
  'networking.service',
  'cron.service',
]

/** What a process finds there, and no more: nothing of the tests' own environment is part of a fresh machine. */
const ENVIRONMENT = ['env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root']

/**
 * Boots: $1 is a directory of the test's, $2 a name, $3 a checkout that is seen as ${CHECKOUT}. The files of the real machine lie under an overlay in memory, so that nothing
 * that is installed or written here lasts; processes, network, mounts and control groups are the machine's own.
 */
const BOOT = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root" "$1/cgroup"
mkdir -p "$1/upper/etc/systemd/system"
for unit in ${MASKED.join(' ')}; do ln -s /dev/null "$1/upper/etc/systemd/system/$unit"; done
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mkdir -p "$1/root${CHECKOUT}"
mount --rbind -o ro "$3" "$1/root${CHECKOUT}"
mount -t cgroup2 none "$1/cgroup"
mkdir "$1/cgroup/$2"
echo $$ > "$1/cgroup/$2/cgroup.procs"
exec unshare --pid --fork --cgroup --net --uts --ipc --kill-child sh -ec '
mount -t proc proc "$1/root/proc"
mount -t sysfs -o ro sysfs "$1/root/sys"
mount -t cgroup2 none "$1/root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
mount --rbind /dev "$1/root/dev"
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
  chroot "$1/root" /lib/systemd/systemd --system --unit=multi-user.target --log-target=console
' sh "$1"
`

/**
 * A Debian machine with systemd as its first process, out of the files of this one: what is installed and started in it
 * leaves no trace. For root; gone with `await using`.
 */
export class DebianMachine implements AsyncDisposable {
  readonly #directory: string
  readonly #outer: ChildProcess
  #log = ''
  #pid = 0

  private constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'shoal-machine-'))
    const boot = ['sh', '-c', BOOT, 'sh', this.#directory, this.#group, ROOT]
    // a test that is ended from outside takes its machine along
    const args = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--propagation', 'private', ...boot]
    this.#outer = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (text: string): void => {
      this.#log += text
    }
    this.#outer.stdout?.setEncoding('utf8').on('data', keep)
    this.#outer.stderr?.setEncoding('utf8').on('data', keep)
  }

  static async boot(): Promise<DebianMachine> {
    const machine = new DebianMachine()
    try {
      await eventually('systemd has started', () => machine.#findFirst())
      await machine.run(
        'until systemctl is-system-running --wait >/dev/null 2>&1 || test -S /run/systemd/private; do sleep 0.1; done',
      )
      await machine.run('systemctl is-system-running --wait || true')
      // a real machine that only runs tests may forbid that packages start services: this one does not
      await machine.run('rm -f /usr/sbin/policy-rc.d')
      return machine
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Runs a shell script in the machine and returns its output. Throws with its errors if it fails. */
  async run(script: string): Promise<string> {
    const { stdout } = await execute('nsenter', this.#entering('sh', '-ec', script))
    return stdout
  }

  /** Copies what is in a directory of the real machine to one in this. */
  async copyIn(from: string, to: string): Promise<void> {
    const pack = spawn('tar', ['-C', from, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const unpack = spawn('nsenter', this.#entering('tar', '-C', to, '-x'), {
      stdio: [pack.stdout, 'ignore', 'inherit'],
    })
    const [code] = await once(unpack, 'close')
    if (code !== 0) throw new Error(`${from} cannot be copied to ${to} of the machine`)
  }

  /** A process in the machine. */
  spawn(program: string, ...args: readonly string[]): ChildProcess {
    return spawn('nsenter', this.#entering(program, ...args), { stdio: ['ignore', 'pipe', 'pipe'] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = this.#outer.exitCode !== null || this.#outer.signalCode !== null
    const gone = isOver ? Promise.resolve() : new Promise((resolve) => this.#outer.once('exit', resolve))
    if (this.#pid > 0) process.kill(this.#pid, 'SIGKILL')
    else this.#outer.kill('SIGKILL')
    await gone
    await this.#removeGroups()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  get #group(): string {
    return basename(this.#directory)
  }

  #entering(...command: readonly string[]): string[] {
    return [
      '--target',
      String(this.#pid),
      '--mount',
      '--pid',
      '--net',
      '--uts',
      '--ipc',
      '--cgroup',
      '--root',
      '--wd',
      ...ENVIRONMENT,
      ...command,
    ]
  }

  /** Its first process is the only child of the last `unshare`, once that has become systemd. */
  async #findFirst(): Promise<boolean> {
    if (this.#outer.exitCode !== null) throw new Error(`no machine: ${this.#log}`)
    const listing = await execute('ps', ['--ppid', String(this.#outer.pid), '-o', 'pid=,comm=']).catch(() => undefined)
    const [pid, name] = listing?.stdout.trim().split(/\s+/) ?? []
    if (name !== 'systemd') return false
    this.#pid = Number(pid)
    return true
  }

  /** Its control groups are empty by now; they stay until somebody removes them. */
  async #removeGroups(): Promise<void> {
    const script = `mount -t cgroup2 none "$1" && find "$1/$2" -depth -type d -exec rmdir {} +`
    await execute('unshare', [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
      'sh',
      this.#directory,
      this.#group,
    ])
  }
}
