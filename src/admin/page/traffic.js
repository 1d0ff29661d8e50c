import { byId, element, setText, tableRows } from './dom.js'
import { percentText, rateText, sizeText } from './text.js'

/** @typedef {import('../page-view.ts').PageView} PageView */
/** @typedef {'peer' | 'home' | 'parent' | 'origin'} Source */

/** From the bottom up. @type {readonly (readonly [Source, string])[]} */
const SOURCES = [
  ['peer', 'peers (hosts of the region)'],
  ['home', 'home (caches of the region)'],
  ['parent', 'parent regions'],
  ['origin', 'origins'],
]
const SVG = 'http://www.w3.org/2000/svg'
const [WIDTH, HEIGHT] = [300, 90]
const MOST_SAMPLES = 300

/** @type {{ at: number, totals: PageView['status']['received'], rates: Record<Source, number> }[]} */
const samples = []

/** @param {PageView} view */
export function showTraffic({ atEpochMs, status: { received } }) {
  const last = samples.at(-1)
  // an agent that has started again counts from nothing
  if (last !== undefined && sum(received) < sum(last.totals)) samples.length = 0
  const rates = ratesSince(samples.at(-1), received, atEpochMs)
  samples.push({ at: atEpochMs, totals: received, rates })
  if (samples.length > MOST_SAMPLES) samples.shift()
  const top = Math.max(1, ...samples.map(({ rates: of }) => sum(of)))
  draw(top)
  setText(byId('traffic-top'), `The top of the picture is ${rateText(top)}.`)
  tableRows(
    'traffic-rows',
    SOURCES.map(([source, name]) => [
      source,
      legend(source, name),
      rateText(rates[source]),
      sizeText(received[source]),
      sum(received) === 0 ? '-' : percentText(received[source], sum(received)),
    ]),
  )
}

/** @param {(typeof samples)[number] | undefined} last @param {PageView['status']['received']} totals @param {number} at */
function ratesSince(last, totals, at) {
  const seconds = last === undefined ? 0 : (at - last.at) / 1000
  const rates = { peer: 0, home: 0, parent: 0, origin: 0 }
  if (last === undefined || seconds <= 0) return rates
  for (const [source] of SOURCES) rates[source] = Math.max(0, (totals[source] - last.totals[source]) / seconds)
  return rates
}

/** Areas on top of each other, the latest second at the right. @param {number} top */
function draw(top) {
  const chart = byId('traffic-chart')
  const floor = samples.map(() => 0)
  const step = WIDTH / (MOST_SAMPLES - 1)
  const x = (/** @type {number} */ index) => (WIDTH - (samples.length - 1 - index) * step).toFixed(1)
  const y = (/** @type {number} */ rate) => (HEIGHT - (rate / top) * (HEIGHT - 2)).toFixed(1)
  for (const [source] of SOURCES) {
    const lower = samples.map((_, index) => `${x(index)},${y(floor[index] ?? 0)}`).reverse()
    for (const [index, { rates }] of samples.entries()) floor[index] = (floor[index] ?? 0) + rates[source]
    const upper = samples.map((_, index) => `${x(index)},${y(floor[index] ?? 0)}`)
    const known = chart.querySelector(`path.area-${source}`)
    const path = known ?? chart.appendChild(document.createElementNS(SVG, 'path'))
    path.setAttribute('class', `area-${source}`)
    path.setAttribute('fill', `url(#fill-${source})`)
    path.setAttribute('d', `M${[...upper, ...lower].join('L')}Z`)
  }
}

/** The name of a source beside what it is drawn with. @param {Source} source @param {string} name */
function legend(source, name) {
  const swatch = document.createElementNS(SVG, 'svg')
  swatch.setAttribute('class', 'key')
  swatch.setAttribute('aria-hidden', 'true')
  const rect = swatch.appendChild(document.createElementNS(SVG, 'rect'))
  rect.setAttribute('width', '100%')
  rect.setAttribute('height', '100%')
  rect.setAttribute('fill', `url(#fill-${source})`)
  return element('span', {}, swatch, name)
}

/** @param {Record<Source, number>} of */
function sum(of) {
  return of.peer + of.home + of.parent + of.origin
}
