import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { z } from 'zod'
import { AdminServer } from '../../src/admin/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { Events } from '../../src/base/events.ts'
import { silentLogger } from '../../src/base/log.ts'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { PrometheusRegistry } from '../../src/node/index.ts'
import {
  ADMIN_TOKEN,
  adminOptions,
  HOSTILE,
  hostilePage,
  MemoryAdminSource,
  quietEntrances,
} from '../support/admin-source.ts'
import { CHROMIUM, runInPage, TestBrowser } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { runCommand } from '../support/run-command.ts'
import { runtimeTest } from '../support/runtime-test.ts'

const MIB = 1024 * 1024
const contrastSchema = z.object({ ratio: z.number(), text: z.string() })
const FOCUSED = "document.activeElement?.textContent?.trim().slice(0, 30) ?? ''"
/** Where the pictures of the documentation are made: `SCREENSHOTS=docs/page npm test -- test/runtime/page.test.ts`. */
const SCREENSHOTS = process.env.SCREENSHOTS
/** The rest of the page is more of the same. */
const HIGH = 1_400

/** A cache and four agents in two zones, slow enough to be watched. */
async function slowFleet(t: TestContext): Promise<Fleet> {
  const fleet = await Fleet.start({
    regions: [{ name: 'eu-1', caches: 1, agents: 4 }],
    zone: ({ name }) => (/[13]$/.test(name) ? 'rack-b' : 'rack-a'),
    config: ({ name, role }) => {
      const rates: Readonly<Record<string, string>> = { 'agent-eu-1-2': '300KiB', 'agent-eu-1-3': '600KiB' }
      return { limits: role === 'cache' ? { origin: '700KiB' } : { download: rates[name] ?? '1MiB' } }
    },
  })
  t.after(() => fleet[Symbol.asyncDispose]())
  return fleet
}

/** What a user does: asks for a link. */
async function linkOf({ adminUrl, tokenFile }: AgentProcess): Promise<string> {
  const { code, stdout, stderr } = await runCommand(['page', '--admin', adminUrl, '--token-file', tokenFile])
  assert.equal(code, 0, stderr)
  return stdout.trim()
}

function textOf(page: Page, part: string): Promise<string> {
  return page.locator(part).innerText()
}

async function shows(page: Page, part: string, what: RegExp): Promise<void> {
  await eventually(`${part} shows ${what}`, async () => what.test(await textOf(page, part))).catch(async () => {
    assert.match(await textOf(page, part), what)
  })
}

async function picture(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return
  await mkdir(SCREENSHOTS, { recursive: true })
  const width = page.viewportSize()?.width ?? 0
  await page.screenshot({
    path: join(SCREENSHOTS, `${name}.png`),
    fullPage: true,
    clip: { x: 0, y: 0, width, height: HIGH },
  })
}

runtimeTest('the page of a cache shows its region at work, and what goes wrong', CHROMIUM, async (t) => {
  const fleet = await slowFleet(t)
  const [cache] = fleet.caches
  assert.ok(cache !== undefined)
  const { reference } = await fleet.push({ sizeBytes: 48 * MIB, layerCount: 3 }, 'library/shop:7')
  const browser = await TestBrowser.start(t)
  const page = await browser.open(await linkOf(cache))
  await shows(page, '#live', /^Live$/)
  assert.doesNotMatch(page.url(), /code/)
  const admin = ['--admin', cache.adminUrl, '--token-file', cache.tokenFile]
  const started = await runCommand(['prewarm', reference, '--waves', '2,100%', '--priority', '7', ...admin])
  assert.equal(started.code, 0, started.stderr)
  await shows(page, '#transfers', /\/library\/shop\s+sha256:\w+\s+\d+ % of .* MiB, .*\/s, .* left/)
  await shows(page, '#transfers', /from origin/)
  await shows(page, '#jobs', /Wave 1 of 2 \(2, 100%\): 2 of 4 hosts may have begun/)
  await shows(page, '#jobs', /s left by its slowest hosts, and 2 hosts wait/)
  await shows(page, '#jobs', /running, priority 7 \(/)
  await shows(page, '#hosts', /Region eu-1, zone rack-b: 2 hosts/)
  await shows(page, '#traffic', /origins\s+\d.*\/s/)
  await eventually('pieces fill in', async () => Number(await runInPage(page, 'filled-share')) > 0.1)
  // more to see
  if (SCREENSHOTS !== undefined)
    await eventually('a third is there', async () => Number(await runInPage(page, 'filled-share')) > 0.22)
  await page.getByText('Hosts at work, the slowest first').first().click()
  await shows(page, '#jobs', /in eu-1: moving, \d+ %, .*\/s, .* left/)
  await picture(page, 'cache')
  await page.setViewportSize({ width: 400, height: 800 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await eventually('pieces are drawn for the dark', async () => Number(await runInPage(page, 'filled-share')) > 0.1)
  await picture(page, 'narrow-dark')
  await page.setViewportSize({ width: 1000, height: 900 })
  await page.emulateMedia({ colorScheme: 'light' })
  // what somebody has opened stays open while all else changes
  assert.equal(await page.locator('details').first().getAttribute('open'), '')
  const later = await runCommand(['prewarm', reference, '--priority', '-5', ...admin])
  assert.equal(later.code, 0, later.stderr)
  await shows(page, '#jobs', /running, priority 7 [\s\S]*running, priority -5 /)
  assert.equal((await runCommand(['pin', reference, ...admin])).code, 0)
  await shows(page, '#pins', /library\/shop:7\s+\d+ % of .* MiB/)
  await shows(page, '#origins', /no trouble/)
  await fleet.origin[Symbol.asyncDispose]()
  await runCommand(['pull', reference.replace(':7', ':8'), '--mirror', cache.mirrorUrl])
  await shows(page, '#origins', /unreachable: /i)
  await shows(page, '#events', /refused\s.*library\/shop:8 for shoal.*: 404, /)
  await shows(page, '#problems', /origin: /)
  await cache.kill()
  await shows(page, '#live', /does not answer: what is shown is old/)
  await cache.restart()
  // its keys have ended with it: what everybody may see comes back by itself
  await shows(page, '#live', /^Live$/)
  await shows(page, 'body', /Run shoal page on it/)
  assert.equal(await page.locator('#hosts').isVisible(), false)
  browser.assertClean()
})

runtimeTest('a link to the page is good for one use, and without one no name is shown', CHROMIUM, async (t) => {
  await using admin = await startPage()
  const browser = await TestBrowser.start(t)
  const link = await admin.link()
  const page = await browser.open(link)
  await shows(page, '#hosts', /Region/)
  await page.reload()
  await shows(page, '#hosts', /Region/)
  const again = await browser.open(link)
  await shows(again, '#only-look', /used or has ended/)
  for (const part of ['#hosts', '#jobs', '#pins']) assert.equal(await again.locator(part).isVisible(), false, part)
  // a key may look and change nothing
  const key = await page.evaluate("sessionStorage.getItem('shoal-page-key')")
  const changes = await fetch(`${admin.url}/api/v1/limits`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{"upload":1}',
  })
  assert.equal(changes.status, 401)
  browser.assertClean()
})

runtimeTest('names that are markup are shown as the text that they are', CHROMIUM, async (t) => {
  await using admin = await startPage()
  const browser = await TestBrowser.start(t)
  const page = await browser.open(await admin.link())
  await shows(page, '#hosts', /Region <img src=x onerror=alert\(1\)>, zone <img/)
  const parts = ['#transfers', '#jobs', '#hosts', '#pins', '#origins', '#events', '#summary', '#problems', 'header']
  for (const part of parts) await shows(page, part, /<img src=x onerror=alert\(1\)>/)
  assert.equal(await page.locator('img, script:not([src])').count(), 0)
  // what has the same name twice is there twice, however often it is drawn
  const shown = (): Promise<number> => page.locator('#problem-list li').count()
  const first = await shown()
  const before = await textOf(page, '#origins')
  await eventually('it has been drawn again', async () => (await textOf(page, '#origins')) !== before)
  assert.equal(await shown(), first)
  // and a script that would write markup is stopped
  const written = String(await runInPage(page, 'write-markup'))
  assert.match(written, /TypeError/)
})

runtimeTest('the page is read in a narrow window, in the dark, and by keyboard', CHROMIUM, async (t) => {
  await using admin = await startPage()
  const browser = await TestBrowser.start(t)
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.open(await admin.link(), { colorScheme, viewport: { width: 400, height: 700 } })
    await shows(page, '#hosts', /Region/)
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 400, colorScheme)
    const { ratio, text } = contrastSchema.parse(await runInPage(page, 'least-contrast'))
    assert.ok(ratio >= 4.5, `${colorScheme}: ${ratio.toFixed(2)} for "${text}"`)
    const visited = new Set<string>()
    for (let pressed = 0; pressed < 30; pressed++) {
      await page.keyboard.press('Tab')
      visited.add(await page.evaluate(FOCUSED).then(String))
    }
    for (const name of ['Skip to what is moving', 'Transfers', 'Jobs', 'Hosts at work, the slowest fir']) {
      assert.ok(visited.has(name), `${name} of ${[...visited].join(' | ')}`)
    }
    // each thing has a name that is read out
    assert.deepEqual(await page.locator('section:not([aria-labelledby]), canvas:not([aria-label])').count(), 0)
    assert.equal(await page.locator('[aria-live], [role=status], [role=alert]').count(), 1)
  }
  browser.assertClean()
})

/** An admin server about a host where every name that comes from elsewhere is markup. */
async function startPage() {
  const deps = { source: new MemoryAdminSource(), metrics: new PrometheusRegistry(), logger: silentLogger }
  const events = new Events(systemClock)
  events.publish('refusal', { image: HOSTILE, runtime: HOSTILE, status: 404, cause: HOSTILE })
  events.publish('tier', { [HOSTILE]: HOSTILE })
  const admin = await AdminServer.start({ ...deps, ...quietEntrances(), events, page: hostilePage() }, adminOptions())
  const url = `http://127.0.0.1:${admin.address.port}`
  const link = async (): Promise<string> => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    const response = await fetch(`${url}/api/v1/page/links`, { method: 'POST', headers })
    const { path } = (await response.json()) as { path: string }
    return `${url}${path}`
  }
  return { url, link, [Symbol.asyncDispose]: () => admin[Symbol.asyncDispose]() }
}
