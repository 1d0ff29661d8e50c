import { z } from 'zod'
import type { AgentProcess } from '../../src/demo/index.ts'
import { eventually } from './eventually.ts'

const lineSchema = z.object({
  msg: z.literal('pull'),
  image: z.string(),
  runtime: z.string(),
  result: z.string(),
  bytes: z.number(),
})

export type PullLine = z.infer<typeof lineSchema>

/** The first line about a pull of `image` that an agent has logged; waits for it, as a pull may end with a silence. */
export function pullLine(agent: AgentProcess, image: string): Promise<PullLine> {
  return eventually(`a line about a pull of ${image}`, () => {
    const lines = agent
      .logTail(400)
      .split('\n')
      .filter((line) => line.startsWith('{'))
    return lines
      .flatMap((line) => lineSchema.safeParse(JSON.parse(line)).data ?? [])
      .find((line) => line.image === image)
  }) as Promise<PullLine>
}
