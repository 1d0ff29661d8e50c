/** For options that may be given again: the values so far, and one more. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}
