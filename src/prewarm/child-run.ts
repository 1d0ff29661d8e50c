import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const KILL_AFTER_MS = 5_000
const MAX_ERROR_CHARS = 16_384
const MAX_LINE_CHARS = 4096

/** How a program ended. */
export type ChildExit =
  | { readonly kind: 'code'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'unrunnable'; readonly reason: string }

/** One run of a program to its end. Aborting or disposing asks it to stop, then kills it; only its pid is signalled. */
export class ChildRun implements AsyncDisposable {
  /** Never rejects. */
  readonly exited: Promise<ChildExit>
  readonly #child: ChildProcess
  #errors = ''
  #ended = false

  constructor(command: string, args: readonly string[], signal: AbortSignal) {
    this.#child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-MAX_ERROR_CHARS)
    })
    const onAbort = (): void => this.#stop()
    this.exited = new Promise((resolve) => {
      const end = (exit: ChildExit): void => {
        this.#ended = true
        signal.removeEventListener('abort', onAbort)
        resolve(exit)
      }
      this.#child.once('error', (error: NodeJS.ErrnoException) => {
        end({ kind: 'unrunnable', reason: error.code === 'ENOENT' ? 'there is no such program' : error.message })
      })
      // 'close' comes after the last output, 'exit' may not.
      this.#child.once('close', (code, by) =>
        end(by === null ? { kind: 'code', code: code ?? 1 } : { kind: 'signal', signal: by }),
      )
    })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  }

  /** The end of what it wrote to standard error. */
  get errorTail(): string {
    return this.#errors
  }

  /** The lines of its standard output, as they come. Leaving early stops the program. */
  async *lines(): AsyncGenerator<string, void, void> {
    if (this.#child.stdout === null) return
    let finished = false
    try {
      for await (const line of createInterface({ input: this.#child.stdout })) yield line.slice(0, MAX_LINE_CHARS)
      finished = true
    } finally {
      if (!finished) this.#stop()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop()
    await this.exited
  }

  #stop(): void {
    if (this.#ended) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => {
      if (!this.#ended) this.#child.kill('SIGKILL')
    }, KILL_AFTER_MS)
    void this.exited.then(() => clearTimeout(timer))
  }
}
