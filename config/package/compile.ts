import { cpSync } from 'node:fs'
import { extname, join } from 'node:path'
import { ROOT, run } from './run.ts'

/** The page is sent to browsers as it is written. */
const PAGE = 'admin/page'
const SENT = ['.html', '.css', '.js', '.svg']

/** Fills `dist` with the program in plain JavaScript, and with the page that its admin server sends. */
export function compile(dist: string): void {
  run('tsc', ['-p', 'config/package', '--outDir', dist])
  const from = join(ROOT, 'src', PAGE)
  cpSync(from, join(dist, PAGE), { recursive: true, filter: (file) => file === from || SENT.includes(extname(file)) })
}

if (import.meta.main) compile(join(ROOT, 'dist'))
