import assert from 'node:assert/strict'
import { parseChallenges } from '../../src/origin/www-authenticate.ts'

/** Where a client is sent, what it wants, and what it proves itself with, if it does. */
export interface ClientPull {
  /** `http://host:port` of a mirror. */
  readonly mirror: string
  readonly registry: string
  readonly repository: string
  readonly tag: string
  /** A Basic header. */
  readonly credentials: string | undefined
  /** Between the manifest and the first blob. */
  readonly halfway?: (() => void) | undefined
}

type Ask = (method: 'GET' | 'HEAD', path: string, headers?: Record<string, string>) => Promise<Response>

/** Pulls as one client does, request by request; whether it got the image from the mirror. */
export type ClientSequence = (pull: ClientPull) => Promise<boolean>

/**
 * A token as Go's clients get it: scopes one by one, name and password as Basic. `oauth`: asked for by POST first, as
 * containerd's resolver does with a password; a token server that knows no POST says 405.
 */
async function token(challenge: string, credentials: string | undefined, scopes: readonly string[], oauth = false) {
  const { scheme, params } = parseChallenges(challenge)[0]!
  if (scheme !== 'bearer') return undefined
  const url = new URL(params.get('realm')!)
  url.searchParams.set('service', params.get('service') ?? '')
  for (const scope of new Set(scopes)) url.searchParams.append('scope', scope)
  if (oauth && credentials !== undefined) {
    const body = new URLSearchParams({ grant_type: 'password', client_id: 'containerd-client', password: 'anything' })
    const posted = await fetch(`${url.origin}${url.pathname}`, { method: 'POST', body })
    assert.equal(posted.status, 405)
  }
  const answer = await fetch(url, credentials === undefined ? {} : { headers: { authorization: credentials } })
  const { token: given, access_token } = (answer.ok ? await answer.json() : {}) as Record<string, string | undefined>
  return given ?? access_token
}

/** Tag, manifest, then each blob; `ask` knows how to prove itself. */
async function pullImage(ask: Ask, { tag, halfway }: ClientPull): Promise<boolean> {
  const head = await ask('HEAD', `manifests/${tag}`)
  if (!head.ok) return false
  const manifest = await ask('GET', `manifests/${head.headers.get('docker-content-digest')}`)
  if (!manifest.ok) return false
  const { config, layers } = (await manifest.json()) as { config: { digest: string }; layers: { digest: string }[] }
  halfway?.()
  for (const { digest } of [config, ...layers]) {
    const blob = await ask('GET', `blobs/${digest}`)
    if (!blob.ok || (await blob.arrayBuffer()).byteLength === 0) return false
  }
  return true
}

/** Asks without a proof, and again with a token for what the answer itself asks for (containerd, oras). */
function challenged(base: string, query: string, scope: string, credentials: string | undefined): Ask {
  let proof: string | undefined
  return async (method, path) => {
    for (let attempt = 0; ; attempt++) {
      const headers = proof === undefined ? {} : { authorization: `Bearer ${proof}` }
      const answer = await fetch(`${base}/${path}${query}`, { method, headers })
      const challenge = answer.headers.get('www-authenticate')
      if (answer.status !== 401 || challenge === null || attempt === 2) return answer
      const asked = parseChallenges(challenge)[0]?.params.get('scope')
      proof = await token(challenge, credentials, [scope, ...(asked === undefined ? [] : [asked])], true)
      if (proof === undefined) return answer
    }
  }
}

/** Asks `/v2/` what is wanted, and goes on with a token for the name it asks by (crane, docker's classic store). */
function pinged({ mirror, registry, repository, credentials }: ClientPull): Ask {
  const name = `${registry}/${repository}`
  let proof: string | undefined
  return async (method, path) => {
    const challenge = (await fetch(`${mirror}/v2/`)).headers.get('www-authenticate')
    if (challenge !== null) proof ??= await token(challenge, credentials, [`repository:${name}:pull`])
    return fetch(`${mirror}/v2/${name}/${path}`, {
      method,
      headers: proof === undefined ? {} : { authorization: `Bearer ${proof}` },
    })
  }
}

/** What clients that are not on every machine send, as their sources say (containerd 2.3's resolver, go-containerregistry, oras-go). */
export const CLIENTS: Readonly<Record<string, ClientSequence>> = {
  // containerd's resolver gives a mirror no credentials: its token is a guest's
  'docker 29 and nerdctl by hosts.toml': (pull) =>
    pullImage(
      challenged(
        `${pull.mirror}/v2/${pull.repository}`,
        `?ns=${pull.registry}`,
        `repository:${pull.repository}:pull`,
        undefined,
      ),
      pull,
    ),
  'docker 29 and nerdctl by hosts.toml with a header': (pull) => {
    const headers = pull.credentials === undefined ? {} : { authorization: pull.credentials }
    const base = `${pull.mirror}/v2/${pull.repository}`
    return pullImage((method, path) => fetch(`${base}/${path}?ns=${pull.registry}`, { method, headers }), pull)
  },
  'docker 29, nerdctl and oras by name': (pull) => {
    const name = `${pull.registry}/${pull.repository}`
    return pullImage(challenged(`${pull.mirror}/v2/${name}`, '', `repository:${name}:pull`, pull.credentials), pull)
  },
  'crane by name': (pull) => pullImage(pinged(pull), pull),
}
