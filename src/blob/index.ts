/*
 * What callers can ask for: content.ts answers this host's runtimes, home-service.ts its peers. Both stand on
 * manifests.ts (tags and manifests; known-tags.ts, tag-proof.ts: on whose word), blob-access.ts (who may read what),
 * listings.ts and the transfers below; opened-alone.ts is for blobs of which nothing is known yet; readers.ts turns a blob,
 * arriving or complete, into a stream, which mending-reader.ts keeps going when the disk fails; mender.ts fetches again what
 * was found damaged; purger.ts takes an image away (purge-plan.ts: what goes with it); image-signatures.ts looks whether what a
 * tag points to is signed.
 * requests.ts is what peers ask; client-rights.ts and grants.ts are the rights of clients, origin-allowance.ts what peers may ask in vain;
 * tag-cache.ts and tag-orders.ts are what is known and ordered of tags, siblings.ts the layers that move together; announced-in-time.ts and
 * parts.ts are answers before the home has the blob, and of a part alone (range-reader.ts: as it comes; parts-reader.ts: several);
 * interface.ts is for the servers.
 */
export { BlobAccess } from './blob-access.ts'
export type { UpstreamAccess } from './content.ts'
export { Content } from './content.ts'
export { Grants } from './grants.ts'
export { HomeService } from './home-service.ts'
export type { SignatureKey } from './image-signatures.ts'
export { ImageSignatures } from './image-signatures.ts'
export { Listings } from './listings.ts'
export { Manifests } from './manifests.ts'
export { Mender } from './mender.ts'
export type { Purged } from './purger.ts'
export { Purger } from './purger.ts'
export { blobRequests } from './requests.ts'
export { TagCache } from './tag-cache.ts'
export { TagOrders } from './tag-orders.ts'
export { TagProofs } from './tag-proof.ts'
