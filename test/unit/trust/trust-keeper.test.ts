import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { TrustFiles, TrustSettings } from '../../../src/trust/index.ts'
import {
  CredentialEnds,
  formatFleetKey,
  generateFleetKey,
  generateMemberKey,
  TrustKeeper,
} from '../../../src/trust/index.ts'
import { RecordedLogger, RecordedMetrics } from '../../integration/swarm-support.ts'
import { eventually } from '../../support/eventually.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { TempDir } from '../../support/temp-dir.ts'
import { TestAuthority } from '../../support/test-authority.ts'

const DAY_MS = 86_400_000

interface Seat {
  readonly directory: string
  readonly authority: TestAuthority
  readonly clock: ManualClock
  readonly logger: RecordedLogger
  settings(files: Partial<TrustFiles>, more?: Partial<TrustSettings>): TrustSettings
  write(name: string, text: string): Promise<string>
  open(settings: TrustSettings): Promise<TrustKeeper>
}

/** A directory with a member key and an authority's certificate, for a cache of region a. */
async function seat(t: TestContext): Promise<Seat> {
  const directory = await TempDir.make()
  t.after(() => directory[Symbol.asyncDispose]())
  const authority = await TestAuthority.create()
  const clock = new ManualClock()
  const logger = new RecordedLogger()
  const write = async (name: string, text: string): Promise<string> => {
    const file = join(directory.path, name)
    await writeFile(file, text)
    return file
  }
  const keyFile = await write('member.key', formatFleetKey(generateMemberKey()))
  const authorities = [await write('authority.crt', authority.pem)]
  const files: TrustFiles = { keyFile, authorities, credential: null, credentialKey: null, revocations: null }
  const deps = { directory: join(directory.path, 'state'), clock: { ...wallOf(clock) }, logger }
  return {
    ...{ directory: directory.path, authority, clock, logger, write },
    settings: (some, more) => ({
      files: { ...files, ...some },
      ...{ fleet: null, acceptCacheKeys: false, role: 'cache', region: 'a', ...more },
    }),
    async open(settings) {
      const keeper = await TrustKeeper.open(settings, deps)
      t.after(() => keeper[Symbol.asyncDispose]())
      return keeper
    },
  }
}

/** The manual clock's timers under the real wall clock: certificates are dated by it. */
function wallOf(clock: ManualClock) {
  return {
    now: () => clock.now(),
    wall: () => Date.now(),
    after: (ms: number, fn: () => void) => clock.after(ms, fn),
  }
}

test('a cache says what is wrong with its credential, where, and what mends it', async (t) => {
  const { authority, settings, write, open, directory } = await seat(t)
  const other = await TestAuthority.create()
  const now = Date.now()
  const good = await authority.cache('a')
  const cases: readonly (readonly [string, RegExp])[] = [
    [(await authority.cache('b')).pem, /is for a cache of region b, and this host is a cache of region a/],
    [(await authority.operator()).pem, /is for an? operator, and this host/],
    [(await authority.cache('a', { fromMs: now - 3 * DAY_MS, days: 1 })).pem, /ended at 20/],
    [(await authority.cache('a', { fromMs: now + DAY_MS })).pem, /is not valid before 20/],
    [(await other.cache('a')).pem, /is by no authority of this fleet/],
  ]
  for (const [at, [pem, message]] of cases.entries()) {
    const credential = await write(`bad-${at}.pem`, pem)
    await assert.rejects(open(settings({ credential })), (error: Error) => {
      assert.match(error.message, message)
      assert.match(
        error.message,
        /^fleet\.credential: .*bad-\d\.pem: .*shoal fleet certify cache --region a makes one$/,
      )
      return true
    })
  }
  await assert.rejects(open(settings({ credential: null })), /fleet\.credential: role "cache" needs a credential/)
  const half = await write('half.pem', good.pem.slice(0, good.pem.indexOf('-----BEGIN PRIVATE')))
  await assert.rejects(open(settings({ credential: half })), /half\.pem: holds no private key/)
  const strange = await write('strange.pem', (await authority.cache('a')).pem)
  await assert.rejects(open(settings({ credential: half, credentialKey: strange })), /holds a key that is not the one/)
  await assert.rejects(open(settings({ authorities: [half] })), /fleet\.authorities: .*may not certify others/)
  const nothing = join(directory, 'nothing')
  await assert.rejects(open(settings({ revocations: nothing })), /fleet\.revocations: .*nothing: /)
  const credential = await write('good.pem', good.pem)
  assert.ok((await open(settings({ credential }))).trust.canVouch)
})

test('a member key without an authority is refused: nobody could be a cache', async (t) => {
  const { settings, open } = await seat(t)
  await assert.rejects(
    open(settings({ authorities: [] }, { role: 'agent' })),
    /^ShoalError: fleet\.authorities: a member key/,
  )
})

test('files that change are read again, and bad ones leave what was', async (t) => {
  const { authority, settings, write, open, clock, logger } = await seat(t)
  const credential = await write('cache.pem', (await authority.cache('a')).pem)
  const keeper = await open(settings({ credential }))
  let changes = 0
  using _listening = keeper.trust.onChange(() => changes++)
  keeper.start()
  const [older] = keeper.views()
  await write('cache.pem', 'not a certificate')
  await assert.rejects(keeper.reload(), /holds no certificate/)
  assert.equal(keeper.views()[0]?.serial, older?.serial)
  const renewed = await authority.cache('a')
  await write('cache.pem', renewed.pem)
  await eventually('it is read again', () => {
    clock.advance(30_000)
    return changes > 0
  })
  assert.equal(keeper.views()[0]?.serial, renewed.credential.certificate.serial)
  assert.deepEqual(logger.warnings, [])
})

test('who was revoked is not forgotten by a restart, and an older list in the file changes nothing', async (t) => {
  const { authority, settings, write, open } = await seat(t)
  const [kept, lost] = [await authority.cache('a'), await authority.cache('a')]
  const credential = await write('cache.pem', kept.pem)
  const first = await authority.revoke([], Date.now() - 60_000)
  const revocations = await write('list.crl', first)
  const keeper = await open(settings({ credential, revocations }))
  await keeper.trust.certificates!.takeRevocations(await authority.revoke([lost.credential]))
  const again = await open(settings({ credential, revocations }))
  const { ok } = again.trust.certificates!.check(lost.credential.certificate.der)
  assert.equal(ok, false)
  assert.ok(again.trust.canVouch)
})

test('the end of a credential is said ahead, once a day, and shown', async (t) => {
  const { authority, settings, write, open } = await seat(t)
  const credential = await write(
    'cache.pem',
    (await authority.cache('a', { fromMs: Date.now() - 8 * DAY_MS, days: 10 })).pem,
  )
  const keeper = await open(settings({ credential }))
  const [logger, metrics, clock] = [new RecordedLogger(), new RecordedMetrics(), new ManualClock()]
  using _ends = new CredentialEnds(keeper.trust, { clock: wallOf(clock), logger, registry: metrics })
  assert.equal(logger.warnings.length, 1)
  assert.match(logger.warnings[0]!, /credential ends soon.*"daysLeft":1/)
  for (let minute = 0; minute < 60; minute++) clock.advance(60_000)
  assert.equal(logger.warnings.length, 1)
  const ends = metrics.peers().get('cache')!
  assert.ok(Math.abs(ends - (Date.now() + 2 * DAY_MS) / 1000) < 60)
  assert.deepEqual(
    keeper.views().map(({ role, daysLeft, problem }) => [role, daysLeft, problem]),
    [
      ['cache', 1, null],
      ['authority', 363, null],
    ],
  )
})

test('several keys in one file: the first proves, all are accepted', async (t) => {
  const { settings, write, open } = await seat(t)
  const [older, newer] = [generateFleetKey(), generateFleetKey()]
  const file = async (name: string, ...keys: (typeof older)[]): Promise<string> =>
    write(name, keys.map((key) => `${formatFleetKey(key)}\n`).join('\n'))
  const opened = async (keyFile: string) => (await open(settings({ keyFile, authorities: [] }))).trust
  const [old, both, promoted, fresh] = [
    await opened(await file('old', older)),
    await opened(await file('both', older, newer)),
    await opened(await file('promoted', newer, older)),
    await opened(await file('fresh', newer)),
  ]
  const links = (a: typeof old, b: typeof old): boolean =>
    b.isMember('a', 'b', a.proveMember('a', 'b')) && a.isMember('b', 'a', b.proveMember('b', 'a'))
  assert.deepEqual([links(old, both), links(both, promoted), links(promoted, fresh)], [true, true, true])
  assert.deepEqual([links(old, fresh), links(old, promoted)], [false, false])
  const four = await file('four', older, newer, older, newer)
  await assert.rejects(
    open(settings({ keyFile: four, authorities: [] })),
    /fleet\.keyFile: .*four: the file holds 4 fleet keys/,
  )
})
