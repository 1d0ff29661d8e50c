import { element, show, tableRows } from './dom.js'
import { durationText, sizeText } from './text.js'

/** An event of this host (docs/why.md); what is not known here is shown by its kind alone. */
/** @typedef {{ id: number, kind: string, time: string } & Readonly<Record<string, unknown>>} HostEvent */

const MOST_SHOWN = 30

/** The latest first. @type {HostEvent[]} */
const events = []

/** What is remembered is about to come again, or there is another agent, which remembers nothing. */
export function forgetEvents() {
  events.length = 0
}

/** @param {HostEvent} event */
export function showEvent(event) {
  events.unshift(event)
  events.length = Math.min(events.length, MOST_SHOWN)
  show('events-none', false)
  show('event-table', true)
  tableRows(
    'event-rows',
    events.map((one) => [
      `${one.id} ${one.time}`,
      new Date(one.time).toLocaleTimeString(),
      one.kind === 'refusal' ? element('span', { class: 'alarm' }, 'refused') : one.kind,
      textOf(one),
    ]),
  )
}

/** @param {HostEvent} event */
function textOf(event) {
  switch (event.kind) {
    case 'pull':
      return `${event.image} by ${event.runtime}: ${event.result}, ${sizeText(Number(event.bytes))} in ${durationText(Number(event.seconds))} (${sourcesText(event.from)})`
    case 'refusal':
      return `${event.image} for ${event.runtime}: ${event.status}, ${event.cause}`
    default: {
      const { id: _, kind: __, time: ___, ...fields } = event
      return Object.entries(fields)
        .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
        .join(', ')
    }
  }
}

/** @param {unknown} from */
function sourcesText(from) {
  const parts = Object.entries(from ?? {}).filter(([, bytes]) => Number(bytes) > 0)
  return parts.length === 0
    ? 'nothing moved'
    : parts.map(([name, bytes]) => `${name} ${sizeText(Number(bytes))}`).join(', ')
}
