import { show, tableRows } from './dom.js'
import { percentText, sizeText } from './text.js'

/** @typedef {import('../page-view.ts').OwnView} OwnView */

/** @param {OwnView} own */
export function showPins({ pins }) {
  show('pins-none', pins.length === 0)
  show('pin-table', pins.length > 0)
  tableRows(
    'pin-rows',
    pins.map(({ reference, job, bytes, presentBytes, untilEpochMs }) => [
      `${job} ${reference}`,
      job === null ? reference : `${reference}, by job ${job}`,
      `${percentText(presentBytes, bytes)} of ${sizeText(bytes)}`,
      new Date(untilEpochMs).toLocaleString(),
    ]),
  )
}
