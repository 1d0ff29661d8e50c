import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ctrPullFlags } from '../../../src/runtime/ctr-flags.ts'

/** What `ctr images pull --help` lists, from 1.6 on; 1.6 by running it, the others by their sources. */
const COMMON = `
NAME:
   ctr images pull - pull an image from a remote

OPTIONS:
   --skip-verify, -k                 skip SSL certificate validation
   --hosts-dir value                 Custom hosts configuration directory
   --snapshotter value               snapshotter name. Empty value stands for the default value.
   --platform value                  Pull content from a specific platform
   --all-metadata                    Pull metadata for all platforms
`
const SKIP =
  '   --skip-metadata   Skips metadata for unused platforms (Image may be unable to be pushed without metadata)\n'
const LOCAL = '   --local           Fetch content from local client rather than using transfer service\n'
const SYNC = '   --sync-fs         Synchronize the underlying filesystem when unpacking, also with --local\n'

const VERSIONS = [
  { version: '1.6', help: COMMON, offered: [] },
  { version: '1.7', help: COMMON + SKIP + LOCAL, offered: ['--local', '--skip-metadata'] },
  { version: '2.0', help: COMMON + SKIP + LOCAL, offered: ['--local', '--skip-metadata'] },
  { version: '2.1 to 2.4', help: COMMON + SKIP + LOCAL + SYNC, offered: ['--local', '--skip-metadata'] },
  { version: 'one that only mentions --local', help: COMMON + SYNC, offered: [] },
]
const SNAPSHOTTERS = [
  { snapshotter: undefined, flags: [] },
  { snapshotter: 'native', flags: ['--snapshotter', 'native'] },
]

describe('ctrPullFlags', () => {
  for (const { version, help, offered } of VERSIONS) {
    for (const { snapshotter, flags } of SNAPSHOTTERS) {
      it(`has ctr ${version} unpack into ${snapshotter ?? 'the default snapshotter'} by itself`, () => {
        const expected = ['--hosts-dir', '/hosts', ...flags, ...offered]
        assert.deepEqual(ctrPullFlags(help, { hostsDir: '/hosts', snapshotter }), expected)
      })
    }
  }
})
