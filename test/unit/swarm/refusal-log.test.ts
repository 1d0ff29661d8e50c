import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import { RefusalLog } from '../../../src/swarm/refusal-log.ts'
import { RecordedLogger } from '../../integration/swarm-support.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const MINUTE_MS = 60_000

function open() {
  const clock = new ManualClock()
  const logger = new RecordedLogger()
  const log = new RefusalLog(logger, clock)
  const refuse = (host: string, reason = 'stranger', port = 7071): void =>
    log.refused(
      { peer: `peer-${port}`, address: `/ip4/${host}/tcp/${port}`, host, direction: 'inbound', reason },
      new ShoalError('PEER_REFUSED', 'the peer holds no key of this fleet'),
    )
  return { clock, logger, refuse }
}

describe('the log of refused peers', () => {
  it('names an address once, with the cause and what to do, whatever port it dials from', () => {
    const { clock, logger, refuse } = open()
    for (let port = 50_000; port < 50_100; port++, clock.advance(5_000)) refuse('10.0.0.1', 'stranger', port)
    const [line, ...more] = logger.warnings
    assert.match(
      line ?? '',
      /^a peer was refused .*"problem":"the peer holds no key of this fleet".*"remedy":"see that fleet.keyFile/,
    )
    assert.deepEqual(more, [])
  })

  it('says it again after ten minutes, with how often it was', () => {
    const { clock, logger, refuse } = open()
    for (let minutes = 0; minutes < 25; minutes++, clock.advance(MINUTE_MS)) refuse('10.0.0.1')
    const counts = logger.warnings.map((line) => /"refusals":(\d+)/.exec(line)?.[1])
    assert.deepEqual(counts, ['1', '10', '10'])
  })

  it('says another reason, and another address, at once', () => {
    const { logger, refuse } = open()
    refuse('10.0.0.1')
    refuse('10.0.0.1', 'version')
    refuse('10.0.0.2')
    refuse('10.0.0.1')
    assert.equal(logger.warnings.length, 3)
  })

  it('takes the addresses of one IPv6 network for one', () => {
    const { logger, refuse } = open()
    for (let i = 1; i < 100; i++) refuse(`2001:db8::${i}`)
    assert.equal(logger.warnings.length, 1)
  })
})
