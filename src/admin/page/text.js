// Numbers as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1.5 GiB`. @param {number} bytes */
export function sizeText(bytes) {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

/** `1.5 MiB/s`. @param {number} bytesPerSec */
export function rateText(bytesPerSec) {
  return `${sizeText(bytesPerSec)}/s`
}

/** `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. @param {number} seconds */
export function durationText(seconds) {
  const whole = Math.max(0, Math.ceil(seconds))
  const parts = /** @type {const} */ ([
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ])
  const first = parts.findIndex(([length]) => whole >= length)
  if (first < 0) return '0 s'
  let left = whole
  const texts = parts.slice(first, first + 2).map(([length, name]) => {
    const count = Math.floor(left / length)
    left -= count * length
    return count === 0 ? '' : `${count} ${name}`
  })
  return texts.filter((text) => text !== '').join(' ')
}

/** `37 %`: never 100 before it is whole. @param {number} part @param {number} whole */
export function percentText(part, whole) {
  return `${whole === 0 ? 100 : Math.floor((part / whole) * 100)} %`
}

/** The start of a digest, as people compare them. @param {string} digest */
export function shortDigest(digest) {
  return digest.slice(0, 'sha256:'.length + 12)
}

/** @param {number} count @param {string} one */
export function countText(count, one) {
  return `${count} ${one}${count === 1 ? '' : 's'}`
}
