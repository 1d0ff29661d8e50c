import { byId, element, keyed, setText, show } from './dom.js'
import { durationText, percentText, sizeText } from './text.js'

/** @typedef {import('../page-view.ts').PageView} PageView */
/** @typedef {import('../status.ts').NodeStatus} NodeStatus */

/** What somebody should look at now. @param {PageView} view */
export function showProblems({ status, readiness }) {
  const texts = [
    ...(readiness.ready ? [] : [`Not ready: ${readiness.reason}`]),
    ...Object.entries(readiness.conditions).flatMap(([name, state]) => (state === 'ok' ? [] : [`${name}: ${state}`])),
    ...(status.openFiles?.few === true
      ? [`Few open files (ulimit -n ${status.openFiles.limit}): pulls wait for them`]
      : []),
    ...(status.peers.clones ?? []).map(
      ({ peerId, addresses }) =>
        `Several hosts are ${peerId}: ${addresses.join(', ')}. Remove the identity file on all but one`,
    ),
    ...(status.credentials ?? []).flatMap(({ text, problem }) => (problem === null ? [] : [`${text}: ${problem}`])),
  ]
  show('problems', texts.length > 0)
  keyed(
    byId('problem-list'),
    texts,
    (text) => text,
    () => {
      const item = element('li')
      return [item, (text) => setText(item, text)]
    },
  )
}

/** @param {PageView} view */
export function showSummary({ status }) {
  const { store } = status
  const used = store.completeBytes + store.partialBytes
  /** @type {(readonly [string, string])[]} */
  const rows = [
    ['Version', `${status.version}, up ${durationText(status.uptimeSeconds)}`],
    ['Listens', `runtimes ${status.addresses.mirror}, peers ${status.addresses.peer}, admin ${status.addresses.admin}`],
    ['Peers', `${status.peers.linked} linked, ${status.peers.caches} of them caches`],
    ['Tier', tierText(status)],
    [
      'Store',
      `${sizeText(used)} of ${sizeText(store.capacityBytes)} (${percentText(used, store.capacityBytes)}); ` +
        `${sizeText(store.partialBytes)} arriving, ${sizeText(store.pinnedBytes)} pinned; disk ${store.state.replace('_', ' ')}`,
    ],
    [
      'Sent',
      `runtimes ${sizeText(status.sent.runtime)}, peers ${sizeText(status.sent.peer + status.sent.region)}, regions below ${sizeText(status.sent.child)}`,
    ],
    ...(status.credentials ?? []).map(
      ({ text, daysLeft }) => /** @type {const} */ (['Credential', `${text}, ${daysLeft} days left`]),
    ),
    ['Identity', status.peerId],
  ]
  keyed(
    byId('summary-list'),
    rows,
    ([name, text]) => (name === 'Credential' ? text : name),
    () => {
      const [term, description] = [element('dt'), element('dd')]
      return [
        element('div', {}, term, description),
        ([name, text]) => {
          setText(term, name)
          setText(description, text)
        },
      ]
    },
  )
}

/** @param {NodeStatus} status */
function tierText({ tier }) {
  const own =
    tier.state === 'own'
      ? 'this host is its own tier'
      : tier.state === 'acting'
        ? `no cache answers: this host and ${tier.standIns} others stand in for them`
        : tier.state
  const caches = tier.caches.map(cacheText)
  const parents = tier.parents.map(({ region, caches: of }) => `parent ${region}: ${of.map(cacheText).join(', ')}`)
  return [own, ...caches, ...parents].join('; ')
}

/** @param {NodeStatus['tier']['caches'][number]} cache */
function cacheText({ address, state, servesInstead }) {
  return `${address} ${state}${servesInstead === undefined ? '' : `, but serves region ${servesInstead}`}`
}
