import ms from 'ms'
import prettyBytes from 'pretty-bytes'

/** `1.5 GiB`. */
export function sizeText(bytes: number): string {
  return prettyBytes(bytes, { binary: true })
}

/** `1.5 MiB/s`. */
export function rateText(bytesPerSec: number): string {
  return `${sizeText(bytesPerSec)}/s`
}

/** `42s`, `3h`; what is left of a second is one. */
export function durationText(seconds: number): string {
  return ms((seconds > 0 && seconds < 1 ? 1 : Math.round(seconds)) * 1000)
}

/** The parts that are not zero: `peer 1.2 GiB, origin 3 MiB`; `nothing yet` if all are. */
export function partsText(parts: Readonly<Record<string, number>>): string {
  const present = Object.entries(parts).filter(([, bytes]) => bytes > 0)
  return present.length === 0 ? 'nothing yet' : present.map(([name, bytes]) => `${name} ${sizeText(bytes)}`).join(', ')
}
