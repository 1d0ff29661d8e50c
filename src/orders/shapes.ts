import { z } from 'zod'

/* What whatever hosts tell each other of the fleet is made of. All of it is read by other hosts and by later versions. */

const MAX_TEXT_CHARS = 1024
/** More hosts than one region's caches can be linked to are not remembered. */
export const MAX_HOSTS = 50_000

export const count = z.int().min(0)
/** What a Date can hold. */
export const epochMs = z.number().min(0).max(8.64e15)
export const text = z.string().max(MAX_TEXT_CHARS)
export const region = z.string().min(1).max(128)
export const peerKey = z.string().min(8).max(64)
/** What an order is about: a job, a schedule, a purge. */
export const orderId = z.string().regex(/^[a-z0-9-]{8,64}$/)
