/** What regions may be called, and fleets. */
export const REGION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
/** What a host's labels may be called. */
export const LABEL_KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/
export const LABEL_VALUE = /^[A-Za-z0-9._-]{0,63}$/
