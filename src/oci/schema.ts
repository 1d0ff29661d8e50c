import { z } from 'zod'
import { parseDigest } from './digest.ts'
import { isRegistryHost, isRepositoryName, isTag } from './reference.ts'

/** More than the text of any digest has. */
const MAX_CHARS = 160

/** A digest in JSON or CBOR, as what follows is. */
export const digestSchema = z
  .string()
  .max(MAX_CHARS)
  .transform((value, context) => {
    const parsed = parseDigest(value)
    if (parsed === undefined) context.addIssue({ code: 'custom', message: 'not a digest' })
    return parsed ?? z.NEVER
  })

export const upstreamSchema = z.string().refine(isRegistryHost, 'not a registry host')
export const repositorySchema = z.string().refine(isRepositoryName, 'not a repository name')
export const tagSchema = z.string().refine(isTag, 'not a tag')
