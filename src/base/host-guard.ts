import { isIP } from 'node:net'
import { isLoopback } from './address.ts'

/** Decides by the Host header whether a request may be meant for this server. */
export type HostGuard = (hostHeader: string | undefined) => boolean

/**
 * Guards against DNS rebinding: a web page whose name was made to point at this host sends its own name as Host.
 * Accepted are loopback names and addresses, the address listened on and `selfHosts`; off loopback also any IP
 * literal, which no rebinding can produce. A missing header passes: browsers always send one, and HTTP/1.0 need not.
 * `selfHosts` is looked at again whenever it returns another list.
 */
export function createHostGuard(listenHost: string, selfHosts: () => readonly string[]): HostGuard {
  const namesOf = (hosts: readonly string[]): Set<string> =>
    new Set([listenHost, ...hosts].map((host) => hostName(host) ?? host))
  let hosts = selfHosts()
  let known = namesOf(hosts)
  const offLoopback = !namesThisHost(hostName(listenHost) ?? listenHost)
  return (hostHeader) => {
    if (hostHeader === undefined) return true
    const host = hostName(hostHeader)
    if (host === undefined) return false
    if (selfHosts() !== hosts) {
      hosts = selfHosts()
      known = namesOf(hosts)
    }
    return namesThisHost(host) || known.has(host) || (offLoopback && isIP(host) !== 0)
  }
}

/** Whether a client says that it asks this very host: then nobody on the way reads along. */
export function namesLoopback(hostHeader: string | undefined): boolean {
  const host = hostHeader === undefined ? undefined : hostName(hostHeader)
  return host !== undefined && namesThisHost(host)
}

/** The host of `host[:port]`, in lower case, without brackets or a root dot. */
function hostName(text: string): string | undefined {
  if (isIP(text) === 6) return text.toLowerCase()
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?$/i.exec(text)
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '')
}

/** Browsers never look names below `.localhost` up (RFC 6761). */
function namesThisHost(host: string): boolean {
  return isLoopback(host) || host.endsWith('.localhost')
}
