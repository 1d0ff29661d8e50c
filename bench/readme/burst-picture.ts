import { pieceSizeFor } from '../../src/piece/piece-layout.ts'
import type { LinkShares } from '../fleet/timeline.ts'
import type { FleetFile, FleetRow, Named } from './results.ts'

/** From the project's root. */
export const PICTURE_FILE = 'docs/burst.svg'

const WIDTH = 760
const MARGIN = { left: 70, right: 20, top: 26, bottom: 34 }
const CURVES = 220
const ROW = 14
const HOST = '#1d4ed8'
const BOUND = '#c2410c'

type Pictured = FleetRow & { readonly timeline: NonNullable<FleetRow['timeline']> }

/** The burst to draw: of the files in order, the first valid one whose links were looked at. */
export function picturedBurst(files: readonly Named<FleetFile>[]): Pictured | undefined {
  for (const { results } of files)
    for (const row of results)
      if (row.scenario === 'burst' && row.valid && row.timeline !== undefined) return { ...row, timeline: row.timeline }
  return undefined
}

/**
 * An SVG of one run, seconds from left to right: the pieces that each host has, by what its link has carried, beside what
 * no protocol can beat; below, how full each link was, the darker the fuller.
 */
export function burstPicture(row: Pictured): string {
  const { everyMs, down, up } = row.timeline
  const links = [
    ...down.map((one) => [`${one.link} down`, one] as const),
    ...up.map((one) => [`${one.link} up`, one] as const),
  ]
  const seconds = (Math.max(...links.map(([, { shares }]) => shares.length)) * everyMs) / 1_000
  const height = CURVES + links.length * ROW + MARGIN.bottom
  const style = 'text{font:11px sans-serif;fill:#444}polyline{fill:none}'
  const x = (at: number): number => MARGIN.left + (at / seconds) * (WIDTH - MARGIN.left - MARGIN.right)
  const strips = links.map(([name, link], index) => strip(name, link, CURVES + index * ROW, x, everyMs))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}"><style>${style}</style>`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    curves(row, x),
    ...strips,
    ...ticks(seconds).map((at) => `<text x="${x(at)}" y="${height - 14}" text-anchor="middle">${at} s</text>`),
    '</svg>\n',
  ].join('\n')
}

function curves({ hosts, bytes, layers, bound, ratio, timeline }: Pictured, x: (at: number) => number): string {
  const pieceBytes = pieceSizeFor(Math.floor(bytes / layers))
  const pieces = layers * Math.ceil(bytes / layers / pieceBytes)
  const y = (share: number): number => CURVES - 14 - share * (CURVES - 14 - MARGIN.top)
  const lines = timeline.down.map(({ shares }) => {
    const points = cumulated(shares).map(
      (share, i) => `${x((i * timeline.everyMs) / 1_000).toFixed(1)},${y(share).toFixed(1)}`,
    )
    return `<polyline points="${points.join(' ')}" stroke="${HOST}" stroke-opacity="0.6"/>`
  })
  const title = `${hosts} hosts, ${pieces} pieces of ${pieceBytes / 1024} KiB: the last host ends at ${ratio.toFixed(3)} of the bound`
  return [
    `<text x="${MARGIN.left}" y="14">${title}</text>`,
    `<path d="M${MARGIN.left} ${y(1)}V${y(0)}H${WIDTH - MARGIN.right}" stroke="#999" fill="none"/>`,
    `<text x="${MARGIN.left - 6}" y="${y(1) + 4}" text-anchor="end">${pieces}</text>`,
    `<text x="${MARGIN.left - 6}" y="${y(0) + 4}" text-anchor="end">0</text>`,
    `<polyline points="${x(0)},${y(0)} ${x(bound).toFixed(1)},${y(1)}" stroke="${BOUND}" stroke-dasharray="4 3"/>`,
    `<text x="${x(bound * 0.6)}" y="${y(0.4)}" style="fill:${BOUND}">the bound</text>`,
    `<text x="${x(bound * 0.6)}" y="${y(0.4) + 14}" style="fill:${HOST}">hosts</text>`,
    ...lines,
  ].join('\n')
}

/** Of all that a link carried, what it had carried by the end of each interval. */
function cumulated(shares: readonly number[]): number[] {
  const all = shares.reduce((sum, share) => sum + share, 0) || 1
  const sums = [0]
  for (const share of shares) sums.push(sums.at(-1)! + share / all)
  return sums
}

function strip(name: string, { shares }: LinkShares, top: number, x: (at: number) => number, everyMs: number): string {
  const cells = shares.map((share, i) => {
    const [from, to] = [x((i * everyMs) / 1_000), x(((i + 1) * everyMs) / 1_000)]
    const fill = Math.min(1, Math.max(0, share)).toFixed(2)
    return `<rect x="${from.toFixed(1)}" y="${top}" width="${(to - from).toFixed(1)}" height="${ROW - 3}" fill="${HOST}" fill-opacity="${fill}"/>`
  })
  return `<text x="${MARGIN.left - 6}" y="${top + 9}" text-anchor="end">${name}</text>${cells.join('')}`
}

function ticks(seconds: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100].find((one) => seconds / one <= 12) ?? 200
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, i) => i * step)
}
