import type { TestContext } from 'node:test'
import type { Fleet } from '../../src/demo/index.ts'

const LINES = 30

/** Shows the end of every node's log when the test fails: without it, a fleet that misbehaves in CI says nothing. */
export function logsOnFailure(test: TestContext, fleet: Fleet): void {
  test.after(() => {
    if (test.passed) return
    for (const { name, agent } of fleet.hosts) test.diagnostic(`log of ${name}:\n${agent.logTail(LINES)}`)
  })
}
