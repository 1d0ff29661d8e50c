import { byId, setText, show } from './dom.js'
import { forgetEvents, showEvent } from './events.js'
import { showHosts } from './hosts.js'
import { showJobs } from './jobs.js'
import { enter, follow } from './live.js'
import { showOrigins } from './origins.js'
import { showPins } from './pins.js'
import { showProblems, showSummary } from './summary.js'
import { showTraffic } from './traffic.js'
import { showTransfers } from './transfers.js'

/** @typedef {import('../page-view.ts').PageView} PageView */

const STATES = {
  connecting: 'Connecting',
  live: 'Live',
  lost: 'The agent does not answer: what is shown is old. Trying again',
  locked: 'This agent shows nothing without a key: run “shoal page” on its host and open the link that it prints',
}

/** @param {PageView} view */
function render(view) {
  const { status, own } = view
  setText(byId('place'), `${status.role} in ${status.region}${status.zone === null ? '' : `, zone ${status.zone}`}`)
  document.title = `Shoal, ${status.role} ${status.addresses.peer}`
  show('only-look', own === null)
  for (const part of document.querySelectorAll('[data-own]')) {
    if (part instanceof HTMLElement) part.hidden = own === null
  }
  showProblems(view)
  showTransfers(view)
  showTraffic(view)
  showOrigins(status)
  showSummary(view)
  if (own === null) return
  showJobs(own)
  showHosts(own)
  showPins(own)
}

const problem = await enter().catch(() => 'the agent does not answer')
if (problem !== '') {
  const note = byId('only-look')
  note.hidden = false
  note.append(` (${problem})`)
}
await follow({
  begin: forgetEvents,
  message: (kind, data, id) => (kind === 'view' ? render(data) : showEvent({ ...data, id })),
  state: (state) => setText(byId('live'), STATES[state]),
})
