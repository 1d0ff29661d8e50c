import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** A directory that is gone when its scope ends. */
export class TempDir implements AsyncDisposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async make(): Promise<TempDir> {
    return new TempDir(await mkdtemp(join(tmpdir(), 'shoal-test-')))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}

/** The path of a directory that is gone when the test has ended. */
export async function tempDir(test: TestContext): Promise<string> {
  const directory = await TempDir.make()
  test.after(() => directory[Symbol.asyncDispose]())
  return directory.path
}
