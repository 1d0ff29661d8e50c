/** What can go wrong in a run. Each is written down in `faults/`, with what heals it. */
export const FAULTS = [
  'kill',
  'stop',
  'restart',
  'link-cut',
  'link-one-way',
  'link-lossy',
  'link-slow',
  'link-small-mtu',
  'disk-full',
  'no-inodes',
  'flip-blob',
  'flip-partial',
  'flip-index',
  'delete-blobs',
  'clock-ahead',
  'clock-back',
  'cloned-identity',
  'key-rotation',
  'lying-member',
  'flood',
  'slow-loris',
  'unread-answers',
  'origin-429',
  'origin-500',
  'origin-slow',
  'origin-late',
  'origin-short',
  'origin-wrong',
  'origin-hanging',
  'origin-html',
  'origin-gone',
  'tag-moved',
] as const
export type FaultName = (typeof FAULTS)[number]

/** Where the caches of a run read their content. */
export const ORIGINS = ['registry', 's3', 'directory'] as const
export type OriginKind = (typeof ORIGINS)[number]
