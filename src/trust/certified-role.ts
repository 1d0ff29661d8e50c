/** What a certificate of the fleet's authority says its holder is. */
export type CertifiedRole =
  | { readonly role: 'cache'; readonly fleet: string; readonly region: string }
  | { readonly role: 'operator'; readonly fleet: string }

const NAME = '[A-Za-z0-9][A-Za-z0-9._-]{0,62}'
/** `shoal://<fleet>/cache/<region>`, `shoal://<fleet>/operator`; SPIFFE ids have `/shoal` in front of the path. */
const ROLE_URI = new RegExp(`^(?:shoal://(${NAME})|spiffe://(${NAME})/shoal)/(?:cache/(${NAME})|operator)$`)
const FLEET = new RegExp(`^${NAME}$`)

/** Whether this can be the name of a fleet or of a region: letters, digits, ".", "_" and "-", at most 63. */
export function isFleetName(text: string): boolean {
  return FLEET.test(text)
}

/** The role a URI names; undefined when it is not one of ours. */
function parseRoleUri(uri: string): CertifiedRole | undefined {
  const match = ROLE_URI.exec(uri)
  const fleet = match?.[1] ?? match?.[2]
  if (fleet === undefined) return undefined
  const region = match?.[3]
  return region === undefined ? { role: 'operator', fleet } : { role: 'cache', fleet, region }
}

export function roleUri(role: CertifiedRole): string {
  return role.role === 'cache' ? `shoal://${role.fleet}/cache/${role.region}` : `shoal://${role.fleet}/operator`
}

/** For people: `cache of region eu-1`. */
export function roleText(role: CertifiedRole): string {
  return role.role === 'cache' ? `cache of region ${role.region}` : 'operator'
}

/**
 * The role in the subject's alternative names, as node:crypto prints them. Throws a plain Error that says what is wrong: a
 * certificate that names several roles would make it a question of reading which one holds.
 */
export function roleOfNames(subjectAltName: string | undefined): CertifiedRole {
  // node:crypto escapes commas inside of a name, so that none of them can pass for several
  const names = (subjectAltName ?? '').split(', ')
  const roles = names.flatMap((name) => (name.startsWith('URI:') ? (parseRoleUri(name.slice(4)) ?? []) : []))
  const [role, ...more] = roles
  if (role === undefined) throw new Error('names no role of a fleet (a URI such as shoal://FLEET/cache/REGION)')
  if (more.length > 0) throw new Error('names more than one role')
  return role
}
