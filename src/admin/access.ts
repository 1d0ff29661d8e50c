/**
 * What a request must show to be answered:
 * - `open`: nothing. Load balancers and orchestrators have no token, and it tells them nothing.
 * - `look`: nothing, on loopback without a token file of the operator's; else the token. Numbers about this host, and where
 *   it belongs: what a local user learns from pulling, too.
 * - `own`: to be this host's own: the unix socket, or the token. It changes something, or names blobs, peers, jobs, pins. The
 *   key of a page (page-keys.ts) is enough to look at these.
 * - `hook`: the secret of a rule, which the route looks at itself.
 */
type Access = 'open' | 'look' | 'own' | 'hook'

/** Every route of the admin server, HEAD as GET. One that is not here does not start. */
export const ROUTE_ACCESS = {
  'GET /': 'open',
  'GET /page/:file': 'open',
  'POST /api/v1/page/links': 'own',
  // the code in it is what it shows
  'POST /api/v1/page/keys': 'open',
  'GET /api/v1/page/events': 'look',
  'GET /healthz': 'open',
  'GET /readyz': 'open',
  'GET /metrics': 'look',
  'GET /api/v1/status': 'look',
  'GET /api/v1/transfers': 'look',
  'GET /api/v1/blobs': 'own',
  'GET /api/v1/peers': 'own',
  'GET /api/v1/limits': 'look',
  'PATCH /api/v1/limits': 'own',
  'GET /api/v1/logs': 'look',
  'PATCH /api/v1/logs': 'own',
  'POST /api/v1/invalidate': 'own',
  'GET /api/v1/purge': 'own',
  'GET /api/v1/purge/:id': 'own',
  'POST /api/v1/purge': 'own',
  'GET /api/v1/events': 'own',
  'GET /api/v1/why': 'own',
  'GET /api/v1/pins': 'own',
  'POST /api/v1/pins': 'own',
  'DELETE /api/v1/pins': 'own',
  'GET /api/v1/verify': 'own',
  'POST /api/v1/verify': 'own',
  'DELETE /api/v1/verify': 'own',
  'GET /api/v1/prewarm/schedules': 'own',
  'POST /api/v1/prewarm/schedules': 'own',
  'DELETE /api/v1/prewarm/schedules/:id': 'own',
  'GET /api/v1/prewarm': 'own',
  'POST /api/v1/prewarm': 'own',
  'GET /api/v1/prewarm/gate': 'own',
  'GET /api/v1/prewarm/:id': 'own',
  'PATCH /api/v1/prewarm/:id': 'own',
  'DELETE /api/v1/prewarm/:id': 'own',
  'GET /api/v1/prewarm/:id/hosts': 'own',
  'GET /api/v1/prewarm/:id/events': 'own',
  'POST /hooks/:source': 'hook',
  'POST /hooks/:source/:secret': 'hook',
} as const satisfies Readonly<Record<string, Access>>

export type AdminRoute = keyof typeof ROUTE_ACCESS

/** Of a route as it was declared; undefined for one that is in no table. A path that leads nowhere may be looked at. */
export function accessOf(method: string, url: string | undefined): Access | undefined {
  if (url === undefined) return 'look'
  const route = `${method === 'HEAD' ? 'GET' : method} ${url}`
  // the key was looked for
  return Object.hasOwn(ROUTE_ACCESS, route) ? ROUTE_ACCESS[route as AdminRoute] : undefined
}
