import type { Holding } from './sample.ts'
import { HOLDINGS } from './sample.ts'
import type { HostHistory } from './soak.ts'

const WIDTH = 760
const PANEL = 150
const MARGIN = { left: 60, right: 110, top: 24, bottom: 22 }
const TITLES: Readonly<Record<Holding, string>> = {
  memory: 'memory (resident), MiB',
  files: 'open files',
  sockets: 'open sockets',
}
const CACHE = '#c2410c'
const AGENT = '#1d4ed8'

/** An SVG: what each daemon held at rest, a line each, over minutes; caches in another colour. */
export function soakPicture(hosts: readonly HostHistory[]): string {
  const panels = HOLDINGS.map((what, index) => `<g transform="translate(0 ${index * PANEL})">${panel(what, hosts)}</g>`)
  const height = HOLDINGS.length * PANEL
  const style = 'text{font:11px sans-serif;fill:#444}polyline{fill:none;stroke-width:1.2}'
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}">`
  const title = '<title>Memory, open files and open sockets of caches and agents over minutes</title>'
  return `${head}${title}<style>${style}</style><rect width="100%" height="100%" fill="#fff"/>${panels.join('')}</svg>\n`
}

function panel(what: Holding, hosts: readonly HostHistory[]): string {
  const all = hosts.flatMap(({ points }) => points[what])
  const last = Math.max(1, ...all.map(({ at }) => at))
  const most = Math.max(1, ...all.map(({ value }) => value)) * 1.1
  const x = (at: number): number => MARGIN.left + (at / last) * (WIDTH - MARGIN.left - MARGIN.right)
  const y = (value: number): number => PANEL - MARGIN.bottom - (value / most) * (PANEL - MARGIN.top - MARGIN.bottom)
  const lines = hosts.map(({ name, points }) => {
    const path = points[what].map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
    return `<polyline points="${path}" stroke="${name.startsWith('cache') ? CACHE : AGENT}"/>`
  })
  const axis = `<path d="M${MARGIN.left} ${y(most)}V${y(0)}H${x(last)}" stroke="#999" fill="none"/>`
  const texts = [
    `<text x="${MARGIN.left}" y="14">${TITLES[what]}</text>`,
    `<text x="${MARGIN.left - 6}" y="${y(most / 1.1) + 4}" text-anchor="end">${Math.round(most / 1.1)}</text>`,
    `<text x="${MARGIN.left - 6}" y="${y(0) + 4}" text-anchor="end">0</text>`,
    `<text x="${x(last)}" y="${PANEL - 6}" text-anchor="end">${Math.round(last)} minutes</text>`,
    `<text x="${x(last) + 8}" y="${y(most / 2)}" style="fill:${CACHE}">caches</text>`,
    `<text x="${x(last) + 8}" y="${y(most / 2) + 14}" style="fill:${AGENT}">agents</text>`,
  ]
  return [axis, ...lines, ...texts].join('')
}
