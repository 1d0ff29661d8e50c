import type { Dispatcher } from 'undici'
import { request } from 'undici'

/** What a server answered. */
interface ServerAnswer {
  readonly status: number
  readonly text: string
}

/** A request to a server, from a process that reaches it. */
export interface ServerRequest {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE' | undefined
  readonly body?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Where a process runs: which command puts it there, how others reach it there, and how its loopback servers are asked. */
export interface Place {
  /** Put before the command line; it must become that command (exec), so that the pid stays. */
  readonly prefix: readonly string[]
  /** The address that its peers and clients use. */
  readonly address: string
  readonly ask: (url: string, options?: ServerRequest) => Promise<ServerAnswer>
}

const HEADERS_TIMEOUT_MS = 5_000

/** This machine's own network, where everything is on loopback. */
export const LOOPBACK: Place = {
  prefix: [],
  address: '127.0.0.1',
  async ask(url, { method = 'GET', body, headers = {} } = {}) {
    const options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'> = {
      method,
      headers,
      headersTimeout: HEADERS_TIMEOUT_MS,
    }
    const response = await request(url, body === undefined ? options : { ...options, body })
    return { status: response.statusCode, text: await response.body.text() }
  },
}

/** The command line that runs `command` in `place`. */
export function commandIn(
  { prefix }: Place,
  command: string,
  args: readonly string[],
): { command: string; args: readonly string[] } {
  const [first = command, ...rest] = prefix
  return prefix.length === 0 ? { command, args } : { command: first, args: [...rest, command, ...args] }
}
