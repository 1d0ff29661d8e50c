import { isIP } from 'node:net'

/** Decides by the Host header whether a request may be meant for this door. */
export type HostGuard = (hostHeader: string | undefined) => boolean

/**
 * Guards against DNS rebinding: a web page whose name was made to point at this host sends its own name as Host.
 * Accepted are loopback names and addresses, the address listened on and `selfHosts`; off loopback also any IP
 * literal, which no rebinding can produce. A missing header passes: browsers always send one, and HTTP/1.0 need not.
 */
export function createHostGuard(listenHost: string, selfHosts: readonly string[]): HostGuard {
  const known = new Set([listenHost, ...selfHosts].map((host) => hostName(host) ?? host))
  const offLoopback = !isLoopback(hostName(listenHost) ?? listenHost)
  return (hostHeader) => {
    if (hostHeader === undefined) return true
    const host = hostName(hostHeader)
    if (host === undefined) return false
    return isLoopback(host) || known.has(host) || (offLoopback && isIP(host) !== 0)
  }
}

/** The host of `host[:port]`, in lower case, without brackets or a root dot. */
function hostName(text: string): string | undefined {
  if (isIP(text) === 6) return text.toLowerCase()
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?$/i.exec(text)
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '')
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  const family = isIP(host)
  return (family === 4 && host.startsWith('127.')) || (family === 6 && host === '::1')
}
