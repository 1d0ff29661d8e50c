import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { DockerLoader, dockerNames } from '../../../src/runtime/docker-loader.ts'
import { loopbackOf } from '../../../src/runtime/image-loader.ts'
import { jsonLines } from '../../../src/runtime/json-lines.ts'
import { runProgram } from '../../../src/runtime/run-program.ts'
import { TempDir } from '../../support/temp-dir.ts'

const never = new AbortController().signal
const DIGEST = digestOf(Buffer.from('x'))

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = []
  for await (const value of values) seen.push(value)
  return seen
}

describe('jsonLines', () => {
  it('cuts lines wherever chunks end, also within a character', async () => {
    const bytes = Buffer.from('{"a":"é"}\r\n\n{"b":2}')
    const cut = async function* () {
      for (const byte of bytes) yield Uint8Array.of(byte)
    }
    assert.deepEqual(await all(jsonLines(cut(), 100)), [{ a: 'é' }, { b: 2 }])
  })

  it('ends at a line that is no JSON, and at one without an end', async () => {
    await assert.rejects(all(jsonLines(chunks('{"a":1}\nnope\n'), 100)), /no JSON: nope/)
    await assert.rejects(all(jsonLines(chunks('"'.padEnd(60), '"'.padEnd(60)), 100)), /more than 100 bytes/)
  })
})

describe('dockerNames', () => {
  const cases = [
    ['docker.io', 'library/nginx', ['http://127.0.0.1:7070/'], 'docker.io/library/nginx', 'docker.io/library/nginx'],
    [
      'docker.io',
      'library/nginx',
      ['https://else.test/'],
      '127.0.0.1:7070/docker.io/library/nginx',
      'docker.io/library/nginx',
    ],
    ['ghcr.io', 'a/b', ['http://127.0.0.1:7070/'], '127.0.0.1:7070/ghcr.io/a/b', 'ghcr.io/a/b'],
    ['reg.corp:5000', 'a', [], '127.0.0.1:7070/reg.corp_5000/a', 'reg.corp:5000/a'],
    ['local', 'team/app', [], '127.0.0.1:7070/team/app', 'team/app'],
  ] as const
  for (const [upstream, repository, mirrors, pulled, wanted] of cases) {
    it(`pulls ${upstream}/${repository} as ${pulled}`, () => {
      assert.deepEqual(dockerNames({ upstream, repository }, '127.0.0.1:7070', mirrors), { pulled, wanted })
    })
  }
})

describe('loopbackOf', () => {
  it('is where a runtime of the same host reaches a listener', () => {
    const cases = [
      ['127.0.0.1:7070', '127.0.0.1:7070'],
      ['0.0.0.0:7070', '127.0.0.1:7070'],
      ['[::]:7070', '127.0.0.1:7070'],
      ['10.0.0.5:7070', '10.0.0.5:7070'],
    ] as const
    for (const [listens, reached] of cases) assert.equal(loopbackOf(listens), reached)
  })
})

describe('a run of a program', () => {
  it('tells how it ended, and ends when it is aborted', async () => {
    assert.deepEqual(await runProgram('/nonexistent/program', [], never), {
      ...{ how: 'unrunnable', stdout: '', stderr: 'there is no such program' },
    })
    assert.deepEqual(await runProgram('sh', ['-c', 'echo one; echo why >&2; exit 3'], never), {
      ...{ how: 3, stdout: 'one\n', stderr: 'why\n' },
    })
    const abort = new AbortController()
    const waiting = runProgram('sleep', ['600'], abort.signal)
    abort.abort(new DOMException('enough', 'AbortError'))
    await assert.rejects(waiting, /enough/)
  })

  it('keeps the end of what it wrote, however much that was', async () => {
    const { how, stdout } = await runProgram('sh', ['-c', 'seq 1 200000'], never)
    assert.deepEqual([how, stdout.length <= 64 * 1024, stdout.endsWith('\n200000\n')], [0, true, true])
  })
})

describe('the pull stream of Docker Engine', () => {
  /** An engine that answers a pull with these lines, and knows no mirrors. */
  async function engine(socketPath: string, lines: readonly string[]) {
    const server = createServer((request, response) => {
      if (request.url === '/info') return void response.end('{"RegistryConfig":{"Mirrors":null}}')
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(lines.join('\r\n'))
    })
    server.listen(socketPath)
    await once(server, 'listening')
    return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) }
  }

  const faults = [
    {
      name: 'an error in the middle of a 200 is an error',
      lines: [
        '{"status":"Downloading","id":"a","progressDetail":{"current":1,"total":9}}',
        '{"errorDetail":{"message":"no space left"},"error":"no space left"}',
      ],
      expected: /cannot pull .*: no space left/,
    },
    {
      name: 'an end without a result is an error',
      lines: ['{"status":"Pulling from x"}'],
      expected: /without a result/,
    },
    { name: 'something else than JSON is an error', lines: ['<html>'], expected: /no JSON/ },
  ]
  for (const { name, lines, expected } of faults) {
    it(name, async () => {
      await using temp = await TempDir.make()
      const socketPath = join(temp.path, 's')
      await using _server = await engine(socketPath, lines)
      const loader = new DockerLoader({ socketPath, mirror: '127.0.0.1:1' })
      const image = { upstream: 'docker.io', repository: 'library/x', tag: '1', digest: DIGEST }
      await assert.rejects(loader.load(image, never), (error) => {
        assert.ok(isShoalError(error, 'UNAVAILABLE'))
        assert.match(error.message, expected)
        return true
      })
    })
  }
})
