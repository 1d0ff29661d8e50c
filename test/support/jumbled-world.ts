/** What a member does that means harm: all of them claim to have every piece. */
export const LIES = ['silent', 'wrong bytes', 'busy', 'half a piece', 'any'] as const
export type Lie = (typeof LIES)[number]

/** Hosts and what befalls them. Times in milliseconds. */
export interface JumbledWorld {
  readonly seed: number
  readonly hosts: number
  readonly liars: readonly Lie[]
  readonly pieces: number
  /** Whether the home has everything from the start, or reads it from an origin. */
  readonly isHomeFull: boolean
  /** What becomes of the home: for one that dies, or gives wrong bytes, its stand-in takes over, which reads the origin. */
  readonly home: 'stays' | 'dies' | 'lies'
  /** A message takes up to this long; those of one channel stay in order, all others do not. */
  readonly delayMs: number
  /** Links that break, and hosts that are restarted, while trouble lasts. */
  readonly cuts: number
  readonly restarts: number
}
