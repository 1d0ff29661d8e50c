import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Logger } from '../../../src/base/log.ts'
import { silentLogger } from '../../../src/base/log.ts'
import type { RunningNode } from '../../../src/cli/run-agent.ts'
import { runAgent } from '../../../src/cli/run-agent.ts'
import { defaultConfig } from '../../../src/config/index.ts'

const UNUSED = {
  manager: { ready() {}, stopping() {} },
  reread: async () => defaultConfig(),
  reloaded() {},
  flushLog: async () => {},
}

/** Notes what happens, in order: log messages and the node's own steps. */
function scene(drain: () => Promise<void> = async () => {}) {
  const steps: string[] = []
  const interruption = new AbortController()
  const note = (_fields: object, message: string): void => {
    steps.push(message)
    if (message === 'ready') interruption.abort()
  }
  const logger: Logger = { ...silentLogger, info: note, warn: note }
  const node: RunningNode = {
    addresses: { mirror: '127.0.0.1:1', peer: '127.0.0.1:2', admin: '127.0.0.1:3' },
    drain() {
      steps.push('drain')
      return drain()
    },
    reload: async () => ({ applied: [], needRestart: [] }),
    async [Symbol.asyncDispose]() {
      steps.push('dispose')
    },
  }
  const run = (drainMs: number) => {
    const config = { mirror: { listen: { host: '127.0.0.1', port: 0 }, hosts: [], open: false, drainMs } }
    return runAgent(async () => node, { ...UNUSED, config, logger, signal: interruption.signal })
  }
  return { steps, run }
}

describe('running an agent', () => {
  it('says when it is ready; when asked to stop, drains, then closes', async () => {
    const { steps, run } = scene()
    await run(60_000)
    assert.deepEqual(steps, [
      'ready',
      'stopping: running pulls may end',
      'drain',
      'stopped taking pulls; closing',
      'dispose',
    ])
  })

  it('cuts pulls that do not end within the drain time', async () => {
    const hanging = setInterval(() => {}, 2 ** 30)
    const { steps, run } = scene(() => new Promise(() => {}))
    await run(1)
    clearInterval(hanging)
    assert.deepEqual(steps.slice(-3), [
      'some pulls did not end in time and are cut',
      'stopped taking pulls; closing',
      'dispose',
    ])
  })

  it('fails as the start fails, and leaves no crash handler behind', async () => {
    const before = process.listenerCount('uncaughtException')
    const signal = new AbortController().signal
    const config = { mirror: { listen: { host: '127.0.0.1', port: 0 }, hosts: [], open: false, drainMs: 0 } }
    const start = async (): Promise<RunningNode> => {
      throw new Error('port taken')
    }
    await assert.rejects(runAgent(start, { ...UNUSED, config, logger: silentLogger, signal }), /port taken/)
    assert.equal(process.listenerCount('uncaughtException'), before)
  })
})
