import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { createLogger } from '../../../src/node/index.ts'

class Recorder extends Writable {
  readonly lines: string[] = []

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.lines.push(chunk.toString())
    done()
  }
}

describe('the log', () => {
  it('writes one JSON object per entry, with level and time in words', () => {
    const out = new Recorder()
    createLogger({ level: 'info', pretty: false }, out).child({ room: 'store' }).info({ bytes: 5 }, 'evicted')
    const { time, ...rest } = JSON.parse(out.lines.join(''))
    assert.deepEqual(rest, { level: 'info', room: 'store', bytes: 5, msg: 'evicted' })
    assert.match(time, /^\d{4}-\d\d-\d\dT/)
  })

  it('keeps quiet below its level', () => {
    const out = new Recorder()
    const logger = createLogger({ level: 'warn', pretty: false }, out)
    logger.info({}, 'no')
    logger.warn({}, 'yes')
    assert.equal(out.lines.length, 1)
  })

  it('hides secrets wherever they usually are', () => {
    const out = new Recorder()
    const logger = createLogger({ level: 'info', pretty: false }, out)
    logger.info(
      {
        authorization: 'hunter2',
        headers: { authorization: 'hunter2', cookie: 'hunter2', 'proxy-authorization': 'hunter2', host: 'kept' },
        req: { headers: { authorization: 'hunter2' } },
        origin: { credentials: { password: 'hunter2', secretAccessKey: 'hunter2' } },
      },
      'request',
    )
    assert.doesNotMatch(out.lines.join(''), /hunter2/)
    assert.match(out.lines.join(''), /"host":"kept"/)
  })

  it('shows errors with their cause of death', () => {
    const out = new Recorder()
    createLogger({ level: 'info', pretty: false }, out).error({ err: new Error('boom') }, 'failed')
    assert.match(out.lines.join(''), /"err":\{"type":"Error","message":"boom","stack":/)
  })

  it('writes for eyes when asked', () => {
    const out = new Recorder()
    createLogger({ level: 'info', pretty: true }, out).info({ bytes: 5 }, 'evicted')
    assert.doesNotMatch(out.lines.join(''), /^\{/)
    assert.match(out.lines.join(''), /evicted/)
  })
})
