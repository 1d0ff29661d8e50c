import { byId, element, keyed, setText, show } from './dom.js'
import { countText, durationText, percentText, rateText, sizeText } from './text.js'

/** @typedef {import('../page-view.ts').OwnView} OwnView */
/** @typedef {import('../page-view.ts').PageJob} PageJob */
/** @typedef {import('../page-view.ts').JobHost} JobHost */

/** @param {OwnView} own */
export function showJobs({ jobs, jobsProblem }) {
  const none = jobs.length === 0 ? 'There are no prewarm jobs.' : ''
  show('jobs-none', jobsProblem !== null || none !== '')
  setText(byId('jobs-none'), jobsProblem === null ? none : `What is known of jobs may be old: ${jobsProblem}`)
  keyed(byId('job-list'), jobs, ({ id }) => id, card)
}

/** @returns {readonly [Element, (job: PageJob) => void]} */
function card() {
  const name = element('p', { class: 'name' })
  const bar = element('progress', { max: '1' })
  const lines = element('div')
  const slowest = element('ol')
  const details = element('details', {}, element('summary', {}, 'Hosts at work, the slowest first'), slowest)
  return [
    element('li', {}, name, bar, lines, details),
    (job) => {
      setText(name, job.images.map(({ reference }) => reference).join(', '))
      bar.value = job.bytes.total === 0 ? 1 : job.bytes.have / job.bytes.total
      bar.setAttribute('aria-label', `Job ${job.id}: ${percentText(job.bytes.have, job.bytes.total)}`)
      keyed(lines, linesOf(job).entries().toArray(), ([index]) => String(index), line)
      details.hidden = job.slowest.length === 0
      keyed(slowest, job.slowest, ({ key }) => key, hostLine)
    },
  ]
}

/** @returns {readonly [Element, (line: readonly [number, string]) => void]} */
function line() {
  const paragraph = element('p')
  return [paragraph, ([, text]) => setText(paragraph, text)]
}

/** @returns {readonly [Element, (host: JobHost) => void]} */
function hostLine() {
  const item = element('li')
  return [item, (host) => setText(item, hostText(host))]
}

/** @param {PageJob} job */
function linesOf(job) {
  const { hosts, bytes, wave, waves, reasons } = job
  const counts = /** @type {const} */ (['ready', 'moving', 'loading', 'waiting', 'failed', 'skipped'])
  const states = counts.flatMap((state) => (hosts[state] === 0 ? [] : [`${hosts[state]} ${state}`]))
  return [
    `${job.state}${job.reason === null ? '' : `: ${job.reason}`}, priority ${job.priority} (${job.id})`,
    `Wave ${wave.number} of ${wave.of} (${waves.join(', ')}): ${wave.open} of ${countText(hosts.total, 'host')} may have begun`,
    `Hosts: ${states.length === 0 ? 'none yet' : states.join(', ')}`,
    `${percentText(bytes.have, bytes.total)} of ${sizeText(bytes.total)}; ${sizeText(bytes.moved)} moved, ${sizeText(bytes.origin)} from origins`,
    ...(job.state === 'running' ? [`${rateText(job.bytesPerSec)} to all hosts; ${endingText(job)}`] : []),
    ...(job.endedEpochMs === null ? [] : [`took ${durationText(job.seconds)}`]),
    ...reasons.map(({ state, reason, count, hosts: some }) => `${count} ${state}: ${reason} (${some.join(', ')})`),
  ]
}

/** The slowest hosts decide, not an average. @param {PageJob} job */
function endingText({ etaSeconds, hosts }) {
  const left =
    etaSeconds === null ? 'too early to say how long' : `${durationText(etaSeconds)} left by its slowest hosts`
  return hosts.waiting === 0
    ? left
    : `${left}, and ${countText(hosts.waiting, 'host')} ${hosts.waiting === 1 ? 'waits' : 'wait'}`
}

/** @param {JobHost} host */
function hostText({ name, region, state, haveBytes, totalBytes, bytesPerSec, etaSeconds }) {
  const rate = bytesPerSec === 0 ? 'receives nothing' : rateText(bytesPerSec)
  const left = etaSeconds === null ? '' : `, ${durationText(etaSeconds)} left`
  return `${name} in ${region}: ${state}, ${percentText(haveBytes, totalBytes)}, ${rate}${left}`
}
