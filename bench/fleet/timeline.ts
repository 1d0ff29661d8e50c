/** What one direction of one link carried, interval by interval, as a share of what it was measured to carry. */
export interface LinkShares {
  readonly link: string
  readonly shares: readonly number[]
}

/** How full the links were while a scenario ran. */
export interface Timeline {
  readonly everyMs: number
  /** Down to each host, and up from all that send. */
  readonly down: readonly LinkShares[]
  readonly up: readonly LinkShares[]
}

/** Seconds of a host's downlink that were not used, on average over hosts: before it filled, from when it emptied, between. */
export interface Unused {
  readonly start: number
  readonly middle: number
  readonly tail: number
}

/** Bytes that have passed in either direction of a host's link: down as they are on the wire, up as its kernel counts them. */
export interface Traffic {
  readonly up: number
  readonly down: number
}

/** What links carried until `atMs`, by host. */
export interface TrafficSample {
  readonly atMs: number
  readonly hosts: ReadonlyMap<string, Traffic>
}

/** Full enough to be at work. */
const AT_WORK = 0.8
const COLUMNS = 60
const BARS = ' ▁▂▃▄▅▆▇█'

/** `rates`: what links carry, as samples count it, in bytes per millisecond, by host. Samples need not be equally far apart. */
export function timelineOf(
  samples: readonly TrafficSample[],
  rates: ReadonlyMap<string, Traffic>,
  everyMs: number,
  receivers: ReadonlySet<string>,
): Timeline {
  const sharesOf = (name: string, way: keyof Traffic): LinkShares => {
    const rate = rates.get(name)?.[way] ?? Number.POSITIVE_INFINITY
    const shares = samples.slice(1).map(({ atMs, hosts }, i) => {
      const before = samples[i]!
      const bytes = (hosts.get(name)?.[way] ?? 0) - (before.hosts.get(name)?.[way] ?? 0)
      return Number((bytes / rate / (atMs - before.atMs)).toFixed(3))
    })
    return { link: name, shares }
  }
  const names = [...rates.keys()]
  return {
    everyMs,
    down: names.filter((name) => receivers.has(name)).map((name) => sharesOf(name, 'down')),
    up: names.map((name) => sharesOf(name, 'up')),
  }
}

/** Where the seconds over the bound are: of downlinks, as these are what ends last. */
export function unusedOf({ everyMs, down }: Timeline): Unused {
  const unused = { start: 0, middle: 0, tail: 0 }
  for (const { shares } of down) {
    const first = shares.findIndex((share) => share >= AT_WORK)
    const last = shares.findLastIndex((share) => share >= AT_WORK)
    for (const [i, share] of shares.entries()) {
      const phase = first < 0 || i < first ? 'start' : i > last ? 'tail' : 'middle'
      unused[phase] += (Math.max(0, 1 - share) * everyMs) / 1_000 / down.length
    }
  }
  return unused
}

/** A picture in text: a row a link, time from left to right, the higher a bar the fuller the link. */
export function timelineText(timeline: Timeline): string[] {
  const { everyMs, down, up } = timeline
  const { start, middle, tail } = unusedOf(timeline)
  const length = Math.max(0, ...down.map(({ shares }) => shares.length))
  const perColumn = Math.max(1, Math.ceil(length / COLUMNS))
  const rows = [...down.map((one) => ['down', one] as const), ...up.map((one) => ['up', one] as const)]
  const widest = Math.max(0, ...rows.map(([, { link }]) => link.length))
  return [
    `a column is ${Number(((perColumn * everyMs) / 1_000).toFixed(2))} s; a downlink was unused for ${start.toFixed(2)} s at the start, ${middle.toFixed(2)} s in the middle, ${tail.toFixed(2)} s at the end`,
    ...rows.map(([way, { link, shares }]) =>
      `${link.padEnd(widest)} ${way.padEnd(4)} ${bars(shares, perColumn)}`.trimEnd(),
    ),
  ]
}

function bars(shares: readonly number[], perColumn: number): string {
  const columns: string[] = []
  for (let at = 0; at < shares.length; at += perColumn) {
    const some = shares.slice(at, at + perColumn)
    const mean = some.reduce((sum, share) => sum + share, 0) / some.length
    columns.push(BARS[Math.max(0, Math.min(BARS.length - 1, Math.round(mean * (BARS.length - 1))))]!)
  }
  return columns.join('')
}
