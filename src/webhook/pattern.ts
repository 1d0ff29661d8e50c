const PATTERN = /^[A-Za-z0-9._/*-]{1,255}$/

/** Whether `text` can be a pattern: characters of names, and `*`. */
export function isPattern(text: string): boolean {
  return PATTERN.test(text)
}

/**
 * Whether all of `text` fits: `*` stands for any characters but `/`, `**` for any characters. Takes time by the
 * product of the lengths, whatever they hold: names come from outside.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  const tokens = pattern.match(/\*+|[^*]/g) ?? []
  // reach[i]: the tokens so far can have used up exactly i characters.
  let reach = [true, ...Array.from(text, () => false)]
  for (const token of tokens) {
    const next = reach.map(() => false)
    for (let i = 0; i <= text.length; i++) {
      if (token.startsWith('*')) {
        const passes = i > 0 && next[i - 1] === true && (token !== '*' || text[i - 1] !== '/')
        next[i] = reach[i] === true || passes
      } else next[i] = i > 0 && reach[i - 1] === true && text[i - 1] === token
    }
    reach = next
  }
  return reach[text.length] === true
}
