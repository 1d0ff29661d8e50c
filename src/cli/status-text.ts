import type { CacheStatus, NodeStatus, OriginStatus } from '../admin/index.ts'
import { plainTable } from './plain-table.ts'
import { durationText, partsText, sizeText } from './quantity-text.ts'

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
    ['Doors', `mirror ${addresses.mirror}, peer ${addresses.peer}, admin ${addresses.admin}`],
    ...credentialRows(status),
    ['Tier', tierText(status)],
    ['Peers', `${peers.linked} linked, ${peers.caches} of them caches`],
    ...clonesRows(peers),
    ['Store', storeText(store)],
    ['Received', partsText({ ...status.received })],
    ['Sent', partsText({ ...status.sent })],
    ['Transfers', `${status.transfersActive} running`],
    ['Upstreams', status.upstreams.map(upstreamText).join('; ')],
  ])
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
  return `${tier.state}${tier.caches.length === 0 ? '' : `: ${cachesText(tier.caches)}`}${parents.join('')}`
}

function cachesText(caches: readonly CacheStatus[]): string {
  return caches.map(({ address, state }) => `${address} ${state}`).join(', ')
}

function upstreamText({ name, access, origins }: NodeStatus['upstreams'][number]): string {
  return `${name} (${access}: ${origins.map(originText).join(', ')})`
}

function originText({ label, trouble }: OriginStatus): string {
  if (trouble === undefined) return label
  return `${label} ${trouble.state.toUpperCase()}: ${trouble.message}; ${trouble.remedy}`
}
