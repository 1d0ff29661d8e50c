import { readFile } from 'node:fs/promises'
import { isAlias, isScalar, parseAllDocuments, visit } from 'yaml'
import { errorText, ShoalError } from '../base/errors.ts'

/**
 * The images that a file names, each once: a list with one on a line (`#` begins a comment), or what has them under `image`:
 * a compose file, Kubernetes manifests, JSON of either. Throws `PREWARM_INVALID`.
 */
export async function readImageList(file: string): Promise<string[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new ShoalError('PREWARM_INVALID', `--from-file ${file}: ${errorText(error)}`)
  }
  const images = [...new Set(isPlainList(text) ? plainImages(text) : manifestImages(text, file))]
  if (images.length === 0) throw new ShoalError('PREWARM_INVALID', `--from-file ${file}: names no image`)
  const open = images.find((image) => image.includes('$'))
  if (open === undefined) return images
  const help = 'give the file as it is deployed ("docker compose config", "helm template", "kustomize build")'
  throw new ShoalError('PREWARM_INVALID', `--from-file ${file}: ${open} is filled in later; ${help}`)
}

function plainImages(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
}

/** A reference has no blank and no colon at its end, as every line of a manifest has that is more than a value. */
function isPlainList(text: string): boolean {
  return plainImages(text).every((line) => /^[^\s{}[\]"'-][^\s{}[\]"']*[^\s:{}[\]"']$/.test(line))
}

function manifestImages(text: string, file: string): string[] {
  const images: string[] = []
  for (const document of parseAllDocuments(text)) {
    const [problem] = 'errors' in document ? document.errors : []
    if (problem !== undefined) throw new ShoalError('PREWARM_INVALID', `--from-file ${file}: ${problem.message}`)
    visit(document, {
      Pair: (_, { key, value }) => {
        if (!isScalar(key) || key.value !== 'image') return
        const named = isAlias(value) ? value.resolve(document) : value
        if (isScalar(named) && typeof named.value === 'string' && named.value !== '') images.push(named.value)
      },
    })
  }
  return images
}
