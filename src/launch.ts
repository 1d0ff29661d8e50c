#!/usr/bin/env node
/**
 * The `shoal` of an installed package. Shoal runs on Node 26 and newer; a machine's own may be older, so this file keeps
 * to what every Node with modules can read. An older one hands over to the Node that came along as an optional package,
 * if it can, and otherwise says what is missing.
 */
import { createRequire } from 'node:module'

/** The same as `engines` in package.json. */
const OLDEST_MAJOR = 26

function packagedNode(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`)
  } catch {
    return undefined
  }
}

if (Number.parseInt(process.versions.node, 10) >= OLDEST_MAJOR) {
  await import('./main.ts')
} else {
  const node = packagedNode()
  const main = new URL('./main.js', import.meta.url).pathname
  if (node !== undefined && process.execve !== undefined) {
    process.removeAllListeners('warning')
    process.execve(node, [node, main, ...process.argv.slice(2)], process.env)
  }
  process.stderr.write(
    `shoal: needs Node ${OLDEST_MAJOR} or newer, and this is ${process.version}; install that, or the Debian package, which brings its own\n`,
  )
  process.exitCode = 1
}
