import type { OriginFaults } from '../../../src/demo/index.ts'
import type { Fault } from './fault.ts'

/** The origin's mistakes; it makes one at a time, and the last that begins replaces the one before. */
function mistake(what: string, faults: OriginFaults, copies: number): Fault {
  return {
    what: `the origin ${what}`,
    copies,
    refuses: true,
    async inject({ origin }) {
      await origin.setFaults(faults)
      return () => origin.setFaults({})
    },
  }
}

export const origin429 = mistake('answers 429', { status: 429 }, 1)
export const origin500 = mistake('answers 500', { status: 500 }, 1)
export const originSlow = mistake('sends 1 MiB/s', { bytesPerSec: 1024 * 1024 }, 1)
export const originLate = mistake('takes 3 s for each answer', { latencyMs: 3_000 }, 1)
export const originShort = mistake('ends bodies after 300 KiB', { cutAfterBytes: 300 * 1024 }, 2)
export const originWrong = mistake('sends wrong bytes', { corrupt: [''] }, 4)
export const originHanging = mistake('takes requests and says nothing', { silent: true }, 1)
export const originHtml = mistake('answers everything with a login page', { html: true }, 1)
export const originGone = mistake('closes connections', { refuse: true }, 1)
