/** Runs `work` on every item, `atOnce` at a time, in order of start. The first failure is thrown once all have ended. */
export async function eachAtMost<T, R>(
  atOnce: number,
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const left = [...items.entries()]
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, item] = next
      results[index] = await work(item, index)
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: atOnce }, () => worker()))
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failure.reason
  return results
}
