import type { TargetName } from '../names.ts'
import type { Target } from '../target.ts'
import { adminRequests, jobRequests, scheduleRequests, webhooks } from './admin.ts'
import { configurationFiles, engineAnswers, environment, imageLists, runtimeFiles, smallValues } from './config.ts'
import { challenges, contentRanges, layouts, looseHeads, manifests, tagPages, tokenAnswers } from './origin.ts'
import { paths, queries, ranges, references, requestHeaders } from './pull.ts'
import { s3Listings } from './s3.ts'
import { indexRows, ownFiles, tableRows } from './store.ts'
import { certificates, keyFiles, revocations } from './trust.ts'
import { frames, hotMessages, messages, pieces, prewarmMessages, prewarmResponses, uplink } from './wire.ts'

export const TARGET_TABLE: Readonly<Record<TargetName, Target>> = {
  frames,
  'hot-messages': hotMessages,
  messages,
  uplink,
  pieces,
  'prewarm-messages': prewarmMessages,
  'prewarm-responses': prewarmResponses,
  paths,
  queries,
  ranges,
  'request-headers': requestHeaders,
  references,
  manifests,
  challenges,
  'token-answers': tokenAnswers,
  'tag-pages': tagPages,
  'content-ranges': contentRanges,
  'loose-heads': looseHeads,
  layouts,
  's3-listings': s3Listings,
  'job-requests': jobRequests,
  'schedule-requests': scheduleRequests,
  'admin-requests': adminRequests,
  webhooks,
  'index-rows': indexRows,
  'table-rows': tableRows,
  'own-files': ownFiles,
  certificates,
  revocations,
  'key-files': keyFiles,
  'configuration-files': configurationFiles,
  environment,
  'image-lists': imageLists,
  'runtime-files': runtimeFiles,
  'engine-answers': engineAnswers,
  'small-values': smallValues,
}
