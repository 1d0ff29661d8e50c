import { byId, element, keyed, setCells, setText, show } from './dom.js'
import { countText, rateText, sizeText } from './text.js'

/** @typedef {import('../page-view.ts').OwnView} OwnView */
/** @typedef {import('../page-view.ts').ZoneView} ZoneView */
/** @typedef {import('../page-view.ts').PageHost} PageHost */

const HEADS = ['Host', 'To it now', 'From it now', 'To it', 'From it']

/** @param {OwnView} own */
export function showHosts({ zones }) {
  show('hosts-none', zones.length === 0)
  keyed(byId('zone-list'), zones, ({ region, zone }) => JSON.stringify([region, zone]), zoneTable)
}

/** @returns {readonly [Element, (zone: ZoneView) => void]} */
function zoneTable() {
  const title = element('h3')
  const body = element('tbody')
  const head = element('thead', {}, element('tr', {}, ...HEADS.map((text) => element('th', { scope: 'col' }, text))))
  const rest = element('p', { class: 'quiet' })
  const table = element('table', {}, head, body)
  return [
    element('div', {}, title, element('div', { class: 'scroll' }, table), rest),
    (zone) => {
      const name = `Region ${zone.region}, ${zone.zone === null ? 'no zone' : `zone ${zone.zone}`}`
      const moving = `${rateText(zone.sentPerSec)} to them, ${rateText(zone.receivedPerSec)} from them`
      setText(title, `${name}: ${countText(zone.hosts, 'host')}, ${moving}`)
      table.setAttribute('aria-label', name)
      keyed(body, zone.slowest, ({ key }) => key, hostRow)
      const more = zone.hosts - zone.slowest.length
      setText(rest, more === 0 ? '' : `and ${countText(more, 'host')} more, faster or idle`)
    },
  ]
}

/** @returns {readonly [Element, (host: PageHost) => void]} */
function hostRow() {
  const row = element('tr')
  return [
    row,
    ({ address, role, sentPerSec, receivedPerSec, sentBytes, receivedBytes }) =>
      setCells(row, [
        role === 'cache' ? `${address} (cache)` : address,
        ...[sentPerSec, receivedPerSec].map((rate) => (rate === 0 ? 'idle' : rateText(rate))),
        ...[sentBytes, receivedBytes].map(sizeText),
      ]),
  ]
}
