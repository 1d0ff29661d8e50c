import type { CacheStatus, NodeStatus, OriginStatus } from '../admin/index.ts'
import { plainTable } from './plain-table.ts'
import { durationText, partsText, rateText, sizeText } from './quantity-text.ts'

/** A host's status for eyes. */
export function statusText(status: NodeStatus): string {
  const { store, peers, addresses } = status
  const zone = status.zone === null ? '' : `, zone ${status.zone}`
  return plainTable([
    [
      'Host',
      `${status.role} in region ${status.region}${zone}; shoal ${status.version}, up ${durationText(status.uptimeSeconds)}`,
    ],
    ['Peer id', status.peerId],
    ['Listening', `mirror ${addresses.mirror}, peer ${addresses.peer}, admin ${addresses.admin}`],
    ...openFilesRows(status),
    ...credentialRows(status),
    ['Tier', tierText(status)],
    ['Peers', `${peers.linked} linked, ${peers.caches} of them caches`],
    ...clonesRows(peers),
    ['Store', storeText(store)],
    ['Received', partsText({ ...status.received })],
    ['Sent', partsText({ ...status.sent })],
    ['Transfers', `${status.transfersActive} running`],
    ...limitRows(status),
    ['Upstreams', status.upstreams.map(upstreamText).join('; ')],
  ])
}

/** Only where there are any: a host that is slow may have been told to be. */
function limitRows({ limits }: NodeStatus): string[][] {
  const set = Object.entries({ ...limits }).filter(([, bytesPerSec]) => bytesPerSec > 0)
  return set.length === 0 ? [] : [['Limits', set.map(([name, rate]) => `${name} ${rateText(rate)}`).join(', ')]]
}

/** Only where they are few. */
function openFilesRows({ openFiles }: NodeStatus): string[][] {
  if (openFiles?.few !== true) return []
  return [['OPEN FILES', `${openFiles.limit} at most (ulimit -n): pulls, links and origins wait for each other`]]
}

function credentialRows({ credentials = [] }: NodeStatus): string[][] {
  if (credentials.length === 0) return []
  const text = credentials.map(({ text: what, endsEpochMs, daysLeft, problem }) => {
    const ends = `until ${new Date(endsEpochMs).toISOString().slice(0, 10)} (${daysLeft} days)`
    return problem === null ? `${what} ${ends}` : `${what} ${ends}, COUNTS FOR NOTHING: ${problem}`
  })
  return [['Credentials', text.join('; ')]]
}

/** Only where there is something wrong. */
function clonesRows({ clones = [] }: NodeStatus['peers']): string[][] {
  return clones.map(({ peerId, addresses }) => [
    'ONE IDENTITY',
    `several hosts are ${peerId}: ${addresses.join(', ')}; remove the identity file on all but one, and restart those`,
  ])
}

function storeText(store: NodeStatus['store']): string {
  const used = sizeText(store.completeBytes + store.partialBytes)
  const parts = `${sizeText(store.partialBytes)} in partials, ${sizeText(store.pinnedBytes)} pinned`
  const isWell = store.state === 'ok' && !store.diskFull
  const problem = (store.state === 'ok' ? 'full' : store.state).replace('_', ' ').toUpperCase()
  const alarm = isWell ? '' : `; DISK ${problem}: pulls go through without being kept`
  return `${used} of ${sizeText(store.capacityBytes)} (${parts})${alarm}`
}

function tierText({ tier }: NodeStatus): string {
  const parents = tier.parents.map(({ region, caches }) => `; parent ${region}: ${cachesText(caches)}`)
  const turns = tier.state === 'acting' && tier.standIns !== undefined ? `, in turns with ${tier.standIns} others` : ''
  return `${tier.state}${turns}${tier.caches.length === 0 ? '' : `: ${cachesText(tier.caches)}`}${parents.join('')}`
}

function cachesText(caches: readonly CacheStatus[]): string {
  return caches
    .map(({ address, state, servesInstead, problem }) => {
      const elsewhere = servesInstead === undefined ? '' : ` BUT SERVES REGION ${servesInstead}`
      return `${address} ${state}${elsewhere}${problem === undefined ? '' : `: ${problem}`}`
    })
    .join(', ')
}

function upstreamText({ name, access, origins }: NodeStatus['upstreams'][number]): string {
  // "*" has an origin for each registry that was asked lately: those that fail come first
  const shown = origins
    .toSorted((a, b) => Number(a.trouble === undefined) - Number(b.trouble === undefined))
    .slice(0, 8)
  const rest = origins.length > shown.length ? ` and ${origins.length - shown.length} more` : ''
  return `${name} (${access}: ${shown.map(originText).join(', ')}${rest})`
}

function originText({ label, trouble }: OriginStatus): string {
  if (trouble === undefined) return label
  return `${label} ${trouble.state.toUpperCase()}: ${trouble.message}; ${trouble.remedy}`
}
