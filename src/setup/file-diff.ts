import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'

/** What changes in a file, as `diff -u` shows it; undefined stands for no file. */
export function fileDiff(path: string, before: Uint8Array | undefined, after: Uint8Array | undefined): string {
  const name = (content: Uint8Array | undefined): string => (content === undefined ? '/dev/null' : path)
  const text = (content: Uint8Array | undefined): string => Buffer.from(content ?? []).toString()
  const options = { context: 3, headerOptions: FILE_HEADERS_ONLY }
  return createTwoFilesPatch(name(before), name(after), text(before), text(after), undefined, undefined, options)
}
