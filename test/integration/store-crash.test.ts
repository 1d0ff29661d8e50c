import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { TestBlob } from '../unit/store/store-fixture.ts'
import {
  allPieces,
  assertBytes,
  contentOf,
  MIB,
  openStore,
  pieceOf,
  temporaryDirectory,
  testBlob,
  writePieces,
} from '../unit/store/store-fixture.ts'

const CHILD = fileURLToPath(new URL('./store-crash-child.ts', import.meta.url))

/** Runs the child until it has told `lines` lines, kills it with SIGKILL and answers all that it told. */
async function runAndKill(path: string, mode: 'pieces' | 'commits', seed: number, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, path, mode, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const told: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(line)
    if (told.length === lines) child.kill('SIGKILL')
  }
  assert.deepEqual(await exited, [null, 'SIGKILL'])
  return told
}

async function assertResumes(path: string, blob: TestBlob, pieces: readonly number[]): Promise<void> {
  await using store = await openStore(path)
  await using partial = await store.openPartial(blob.layout)
  for (const piece of pieces) assert.ok(partial.have.has(piece), `piece ${piece} was lost`)
  for (const piece of allPieces(blob)) {
    if (!partial.have.has(piece)) continue
    const target = new Uint8Array(blob.layout.length(piece))
    await partial.readInto(target, blob.layout.range(piece).start)
    assertBytes(target, pieceOf(blob, piece).slice())
  }
  await writePieces(partial, blob, allPieces(blob))
  await partial.commit()
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
}

test('a pull killed in the middle of its writes resumes from the pieces it had', async () => {
  await using directory = await temporaryDirectory()
  await runAndKill(directory.path, 'pieces', 1, 1)
  await assertResumes(directory.path, testBlob(8 * MIB, 1), [0, 2, 4, 6])
})

test('a pull killed one piece before its end has little left to do', async () => {
  await using directory = await temporaryDirectory()
  await runAndKill(directory.path, 'pieces', 2, 2)
  await assertResumes(directory.path, testBlob(8 * MIB, 2), [0, 2, 4, 6])
})

test('no blob that was committed is lost or damaged by kill -9, whenever it comes', async () => {
  await using directory = await temporaryDirectory()
  const committed: number[] = []
  for (const [round, lines] of [1, 2, 4, 3, 5].entries()) {
    for (const line of await runAndKill(directory.path, 'commits', 100 * round, lines)) {
      committed.push(Number(line.split(' ')[1]))
    }
    await using store = await openStore(directory.path)
    for (const seed of committed) {
      const blob = testBlob(MIB, seed)
      assertBytes(await contentOf(store, blob.digest), blob.bytes, `blob ${seed} was lost`)
    }
    const whole = store.list().filter((entry) => entry.state === 'complete')
    assert.ok(whole.length <= committed.length + round + 1, 'at most one blob a round was cut off while committing')
  }
})
