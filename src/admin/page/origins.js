import { element, tableRows } from './dom.js'
import { durationText } from './text.js'

/** @typedef {import('../status.ts').NodeStatus} NodeStatus */

/** @param {NodeStatus} status */
export function showOrigins({ upstreams }) {
  tableRows(
    'origin-rows',
    upstreams.flatMap(({ name, access, origins }) =>
      origins.map(
        (origin, index) =>
          /** @type {const} */ ([`${name} ${index}`, `${name} (${access})`, origin.label, stateCell(origin)]),
      ),
    ),
  )
}

/** @param {NodeStatus['upstreams'][number]['origins'][number]} origin */
function stateCell({ trouble }) {
  if (trouble === undefined) return 'no trouble'
  const since = durationText((Date.now() - trouble.sinceEpochMs) / 1000)
  const state = trouble.state.replaceAll('_', ' ')
  const text = `${trouble.message}; ${trouble.remedy} (${trouble.failures} times, for ${since})`
  return element('span', {}, element('span', { class: 'alarm' }, `${state}: `), text)
}
