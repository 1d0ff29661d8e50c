import type { FileView } from '../../src/setup/interface.ts'

/** Files that are texts in memory, for what decides by them alone. */
export function fileTexts(texts: Readonly<Record<string, string>>): FileView {
  return {
    read: (path) => texts[path],
    list(directory) {
      const inside = Object.keys(texts).filter((path) => path.startsWith(`${directory}/`))
      return [...new Set(inside.map((path) => path.slice(directory.length + 1).split('/')[0] ?? ''))].sort()
    },
  }
}
