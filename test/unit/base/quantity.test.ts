import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseDurationMs, parseRateBytesPerSec, parseSizeBytes } from '../../../src/base/quantity.ts'

describe('quantities', () => {
  it('read sizes in bytes, powers of 1024 and powers of 1000', () => {
    const sizes: readonly [written: unknown, bytes: number | undefined][] = [
      [0, 0],
      [1048576, 1048576],
      ['0', 0],
      ['512', 512],
      ['512B', 512],
      ['1KiB', 1024],
      ['100MiB', 104_857_600],
      ['100 mib', 104_857_600],
      ['50GiB', 53_687_091_200],
      ['50Gi', 53_687_091_200],
      ['1.5GiB', 1_610_612_736],
      ['2GB', 2_000_000_000],
      ['2G', 2_000_000_000],
      ['3TiB', 3 * 1024 ** 4],
      ['', undefined],
      ['GiB', undefined],
      ['-1', undefined],
      [-1, undefined],
      [1.5, undefined],
      ['10 bits', undefined],
      ['50GiBs', undefined],
      ['99999999TiB', undefined],
      [Number.POSITIVE_INFINITY, undefined],
      [null, undefined],
    ]
    for (const [written, bytes] of sizes) assert.equal(parseSizeBytes(written), bytes, String(written))
  })

  it('read rates with or without "/s"', () => {
    assert.equal(parseRateBytesPerSec('100MiB/s'), 104_857_600)
    assert.equal(parseRateBytesPerSec('100MiB'), 104_857_600)
    assert.equal(parseRateBytesPerSec(0), 0)
    assert.equal(parseRateBytesPerSec('100MiB/h'), undefined)
  })

  it('read durations with a unit', () => {
    const durations: readonly [written: unknown, ms: number | undefined][] = [
      ['500ms', 500],
      ['30s', 30_000],
      ['1.5m', 90_000],
      ['24h', 86_400_000],
      ['7d', 604_800_000],
      ['0', 0],
      [0, 0],
      [30, undefined],
      ['30', undefined],
      ['30 parsecs', undefined],
      ['-5s', undefined],
    ]
    for (const [written, ms] of durations) assert.equal(parseDurationMs(written), ms, String(written))
  })
})
