import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'

/**
 * The values of a stream of JSON, one a line. Throws `UNAVAILABLE` for a line that is no JSON or longer than
 * `maxLineBytes`: whoever sends that is not who we think.
 */
export async function* jsonLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<unknown, void, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxLineBytes) throw new ShoalError('UNAVAILABLE', `a line of more than ${maxLineBytes} bytes`)
    for (const line of lines) if (line.trim() !== '') yield parse(line)
  }
  if (rest.trim() !== '') yield parse(rest)
}

function parse(line: string): unknown {
  const value = parseJson(line)
  if (value === undefined) throw new ShoalError('UNAVAILABLE', `a line that is no JSON: ${line.slice(0, 100)}`)
  return value
}
