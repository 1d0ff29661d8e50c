// What the agent sends, as it comes. The key is kept for this tab and this port alone, and sent in a header: a cookie would go to
// every other server on this machine as well, for browsers tell those apart by name and not by port. EventSource cannot send
// headers, so the stream is read by hand.

/** @typedef {'connecting' | 'live' | 'lost' | 'locked'} LiveState */

const KEY = 'shoal-page-key'
const RETRY_MS = 2_000
/** The agent sends every second: when it has not for so long, it is gone or hangs. */
const SILENT_MS = 15_000

/** Trades the code of a link, which is good for one use, for a key. @returns {Promise<string>} what went wrong, or nothing */
export async function enter() {
  const code = /^#code=([\w-]+)$/.exec(location.hash)?.[1]
  if (code === undefined) return ''
  // before anything else: the link is not to stay in the history
  history.replaceState(null, '', location.pathname)
  const headers = { 'content-type': 'application/json' }
  const response = await fetch('/api/v1/page/keys', { method: 'POST', headers, body: JSON.stringify({ code }) })
  const answer = await response.json()
  if (response.status !== 201) return String(answer.error?.message ?? `the agent answers ${response.status}`)
  sessionStorage.setItem(KEY, String(answer.key))
  return ''
}

/**
 * What the agent sends, for as long as the page is open. Each time it answers, all that it remembers comes again.
 * @param {{ begin: () => void, message: (kind: string, data: any, id: number) => void, state: (state: LiveState) => void }} reader
 */
export async function follow(reader) {
  reader.state('connecting')
  for (;;) {
    reader.state(await stream(reader).catch(() => /** @type {const} */ ('lost')))
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

/** @param {Parameters<typeof follow>[0]} reader @returns {Promise<LiveState>} */
async function stream({ begin, message, state }) {
  const key = sessionStorage.getItem(KEY)
  /** @type {Record<string, string>} */
  const headers = key === null ? {} : { authorization: `Bearer ${key}` }
  const silent = new AbortController()
  let timer = setTimeout(() => silent.abort(), SILENT_MS)
  try {
    const response = await fetch('/api/v1/page/events', { headers, cache: 'no-store', signal: silent.signal })
    if (response.status === 401) return 'locked'
    if (!response.ok || response.body === null) return 'lost'
    begin()
    let text = ''
    const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await chunks.read()
      if (done) return 'lost'
      clearTimeout(timer)
      timer = setTimeout(() => silent.abort(), SILENT_MS)
      const events = (text + value).split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) {
        const [kind, data] = [lineOf(event, 'event: '), lineOf(event, 'data: ')]
        if (data !== '') message(kind, JSON.parse(data), Number(lineOf(event, 'id: ')))
      }
      state('live')
    }
  } finally {
    clearTimeout(timer)
  }
}

/** @param {string} event @param {string} start */
function lineOf(event, start) {
  const line = event.split('\n').find((one) => one.startsWith(start))
  return line?.slice(start.length) ?? ''
}
