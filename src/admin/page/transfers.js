import { byId, element, keyed, setText, show } from './dom.js'
import { durationText, percentText, rateText, shortDigest, sizeText } from './text.js'

/** @typedef {import('../page-view.ts').PageView} PageView */
/** @typedef {import('../page-view.ts').PageTransfer} PageTransfer */

/** Parts of a picture beside each other, and the pixels of each. */
const ACROSS = 32
const CELL = 10
const GAP = 2

/** @param {PageView} view */
export function showTransfers({ transfers, moreTransfers }) {
  const count = transfers.length + moreTransfers
  setText(
    byId('transfer-count'),
    count === 0 ? '' : `${count} running${moreTransfers === 0 ? '' : `, ${moreTransfers} not shown`}`,
  )
  show('transfers-none', count === 0)
  keyed(byId('transfer-list'), transfers, ({ digest }) => digest, card)
}

/** @returns {readonly [Element, (transfer: PageTransfer) => void]} */
function card() {
  const [name, digest, done, from] = [
    element('p', { class: 'name' }),
    element('p', { class: 'quiet digest' }),
    element('p'),
    element('p', { class: 'quiet' }),
  ]
  const picture = element('canvas', { role: 'img' })
  return [
    element('li', {}, name, digest, picture, done, from),
    (transfer) => {
      setText(name, transfer.repository ?? shortDigest(transfer.digest))
      setText(digest, transfer.repository === null ? '' : shortDigest(transfer.digest))
      setText(done, progressText(transfer))
      setText(from, fromText(transfer))
      picture.setAttribute('aria-label', `Pieces that are here: ${percentText(transfer.haveBytes, transfer.sizeBytes)}`)
      draw(picture, transfer.picture)
    },
  ]
}

/** @param {PageTransfer} transfer */
function progressText({ state, sizeBytes, haveBytes, bytesPerSec, etaSeconds }) {
  const done = `${percentText(haveBytes, sizeBytes)} of ${sizeText(sizeBytes)}`
  if (state !== 'running') return `${done}, ${state}`
  const left = etaSeconds === null ? 'stands still' : `${durationText(etaSeconds)} left`
  return `${done}, ${rateText(bytesPerSec)}, ${left}`
}

/** @param {PageTransfer} transfer */
function fromText({ from, peers }) {
  const parts = Object.entries(from).filter(([, bytes]) => bytes > 0)
  const texts = parts.map(([name, bytes]) => `${name} ${sizeText(bytes)}`)
  return `${texts.length === 0 ? 'nothing received yet' : `from ${texts.join(', ')}`}; ${peers} in its swarm`
}

/** Pieces filling in: the less of a part is here, the smaller its square. @param {HTMLCanvasElement} canvas @param {string} picture */
function draw(canvas, picture) {
  const colors = getComputedStyle(canvas)
  const look = `${picture} ${colors.getPropertyValue('--piece')}`
  if (canvas.dataset.look === look) return
  canvas.dataset.look = look
  const across = Math.min(ACROSS, picture.length)
  canvas.width = ACROSS * CELL
  canvas.height = Math.max(1, Math.ceil(picture.length / Math.max(1, across))) * CELL
  const pen = canvas.getContext('2d')
  if (pen === null) return
  for (const [index, digit] of [...picture].entries()) {
    const [x, y] = [(index % across) * CELL, Math.floor(index / across) * CELL]
    square(pen, x, y, CELL - GAP, colors.getPropertyValue('--piece-none'))
    if (digit === '0') continue
    const size = digit === '9' ? CELL - GAP : 2 + Math.round((Number(digit) / 9) * (CELL - GAP - 4))
    const inset = (CELL - GAP - size) / 2
    square(pen, x + inset, y + inset, size, colors.getPropertyValue(digit === '9' ? '--piece' : '--piece-part'))
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y @param {number} size @param {string} color */
function square(pen, x, y, size, color) {
  pen.fillStyle = color
  pen.fillRect(x, y, size, size)
}
