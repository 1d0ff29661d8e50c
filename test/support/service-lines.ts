import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DebianMachine } from './debian-machine.ts'

const ROOT = join(import.meta.dirname, '../..')
/** As `code` within a text; blocks have tests of their own. */
const IN_TEXT = /`((?:systemctl|journalctl) [^`\n]+)`/g

/** What the text of the guides tells an administrator to type to the service manager, and which of it has been run. */
export class ServiceLines {
  readonly #machine: DebianMachine
  readonly #lines: ReadonlySet<string>
  readonly #ran = new Set<string>()

  private constructor(machine: DebianMachine, lines: ReadonlySet<string>) {
    this.#machine = machine
    this.#lines = lines
  }

  static async ofTheGuides(machine: DebianMachine): Promise<ServiceLines> {
    const lines = new Set<string>()
    for await (const file of glob('{*.md,docs/**/*.md,src/**/*.md,config/**/*.md}', { cwd: ROOT })) {
      const text = await readFile(join(ROOT, file), 'utf8')
      for (const [, line = ''] of text.matchAll(IN_TEXT)) lines.add(line)
    }
    return new ServiceLines(machine, lines)
  }

  /** Runs a line as it stands there. Throws if no guide has it, or if it fails. */
  async run(line: string): Promise<string> {
    if (!this.#lines.has(line)) throw new Error(`no guide says ${line}`)
    this.#ran.add(line)
    return this.#machine.run(line)
  }

  /** What has not been run. */
  get left(): string[] {
    return [...this.#lines].filter((line) => !this.#ran.has(line)).sort()
  }
}
