/** Where a request enters the ladder (see Ladder). */
export type Entry = 'forClient' | 'forPeer'

/**
 * In whose name this host asks. What exists is asked for once and kept; a name that somebody has made up costs the origin a
 * request each time, so that every peer has only this many of those.
 */
export interface Asker {
  readonly entry: Entry
  /** Whether its requests about what nobody here has heard of may still go further than this host. */
  readonly mayAsk: boolean
  /** Whether a "there is no such thing" of a moment ago will do. */
  readonly isPatient: boolean
  /** A request of it went further than this host and found nothing, or is of a kind that is never kept. */
  charge(): void
}

/** This host's own runtimes, and its own work. */
export const OWN_CLIENT: Asker = { entry: 'forClient', mayAsk: true, isPatient: false, charge: () => {} }
