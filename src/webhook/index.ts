/*
 * Pushes and deletions that registries tell of, as hints (WEBHOOKS.md).
 *   webhooks  takes a request, asks the origin what is true, and has a job started
 *   proof     what shows that a request is from its source    payloads  the formats of the sources
 *   pattern   which repositories and tags a rule is about
 *   interface  the sources, by name
 */
export type { WebhookHead, WebhookResponse, WebhookRule } from './interface.ts'
export { WEBHOOK_SOURCES } from './interface.ts'
export { isPattern } from './pattern.ts'
export type { DeletedImage, HintedImage } from './webhooks.ts'
export { Webhooks } from './webhooks.ts'
