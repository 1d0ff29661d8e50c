import type { BaselineName } from '../names.ts'
import type { Baseline } from './baseline.ts'
import { direct } from './direct.ts'
import { libtorrent } from './libtorrent.ts'
import { registryCache } from './registry-cache.ts'

export const BASELINE_TABLE: Readonly<Record<BaselineName, Baseline>> = {
  direct,
  'registry-cache': registryCache,
  libtorrent,
}
