import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import { createLogger } from '../../../src/node/index.ts'

class Recorder extends Writable {
  readonly lines: string[] = []

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.lines.push(chunk.toString())
    done()
  }
}

function failedCall(): unknown {
  try {
    return statSync('/nowhere/at/all')
  } catch (error) {
    return error
  }
}

describe('the log', () => {
  it('writes one JSON object per entry, with level and time in words', () => {
    const out = new Recorder()
    createLogger({ level: 'info', pretty: false }, out).child({ component: 'store' }).info({ bytes: 5 }, 'evicted')
    const { time, ...rest } = JSON.parse(out.lines.join(''))
    assert.deepEqual(rest, { level: 'info', component: 'store', bytes: 5, msg: 'evicted' })
    assert.match(time, /^\d{4}-\d\d-\d\dT/)
  })

  it('has each field once in a line, however often it is given', () => {
    const out = new Recorder()
    const logger = createLogger({ level: 'info', pretty: false }, out).child({ component: 'a', region: 'eu' })
    logger.child({ component: 'b' }).info({}, 'said')
    assert.equal(out.lines.join('').match(/"component"/g)?.length, 1)
    assert.match(out.lines.join(''), /"component":"b","region":"eu"/)
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

  it('shows no stack of what was foreseen: time that ran out, a system call or a database that failed', () => {
    const out = new Recorder()
    const logger = createLogger({ level: 'info', pretty: false }, out)
    const late = new DOMException('The operation was aborted due to timeout', 'TimeoutError')
    const full = Object.assign(new Error('IO error: 000003.log: No space left on device'), { code: 'LEVEL_IO_ERROR' })
    for (const err of [late, failedCall(), full]) logger.warn({ err }, 'a home does not answer')
    const [first, second, third] = out.lines.map((line) => JSON.parse(line).err)
    assert.deepEqual(first, { type: 'TimeoutError', message: late.message })
    assert.deepEqual([second.type, second.code, second.stack], ['Error', 'ENOENT', undefined])
    assert.deepEqual(third, { type: 'Error', code: full.code, message: full.message })
  })

  it('writes whatever was thrown in one shape', () => {
    const out = new Recorder()
    const logger = createLogger({ level: 'info', pretty: false }, out)
    const cause = new Error('connection refused')
    const known = new ShoalError('ORIGIN_UNREACHABLE', 'no answer', { cause, details: { status: 503 } })
    for (const err of [known, 'a text']) logger.warn({ err }, 'failed')
    const [first, second] = out.lines.map((line) => JSON.parse(line).err)
    const { code, message } = known
    assert.deepEqual(first, { type: 'ShoalError', code, message, status: 503, cause: 'connection refused' })
    assert.deepEqual([second.type, second.message], ['Error', 'a text'])
  })

  it('writes for eyes when asked', () => {
    const out = new Recorder()
    createLogger({ level: 'info', pretty: true }, out).info({ bytes: 5 }, 'evicted')
    assert.doesNotMatch(out.lines.join(''), /^\{/)
    assert.match(out.lines.join(''), /evicted/)
  })
})
