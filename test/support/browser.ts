import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { findProgram } from './runtime-test.ts'

export const CHROMIUM = { programs: ['chromium'], packages: 'chromium' }

/** A real browser without a screen. What a page asks of anybody but `own`, logs as an error or throws fails its test. */
export class TestBrowser {
  readonly #browser: Browser
  readonly #problems: string[] = []

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  static async start(t: TestContext): Promise<TestBrowser> {
    const executablePath = findProgram('chromium') ?? 'chromium'
    // its sandbox refuses to be root's
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
    t.after(() => browser.close())
    return new TestBrowser(browser)
  }

  /** A new window of somebody who has been nowhere yet. */
  async open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1000, height: 900 }, ...options })
    const page = await context.newPage()
    const own = new URL(url).origin
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== own) this.#problems.push(`asks for ${request.url()}`)
    })
    page.on('pageerror', (error) => void this.#problems.push(error.message))
    page.on('console', (message) => {
      // what the network does is for the page to tell
      if (message.type() === 'error' && !/net::|status of/.test(message.text())) this.#problems.push(message.text())
    })
    await page.goto(url)
    return page
  }

  /** That nothing went wrong in any window so far. */
  assertClean(): void {
    assert.deepEqual(this.#problems, [])
  }
}

/** Runs one of the scripts in `in-page` in a page and returns what it comes to. */
export async function runInPage(
  page: Page,
  name: 'least-contrast' | 'filled-share' | 'write-markup',
): Promise<unknown> {
  return page.evaluate(await readFile(join(import.meta.dirname, 'in-page', `${name}.js`), 'utf8'))
}
