import { webcrypto } from 'node:crypto'

type Library = typeof import('@peculiar/x509')

/**
 * The library that writes certificates and reads revocation lists. Loaded when it is needed: it costs a start 100 ms, and
 * most hosts do neither.
 */
export async function loadX509Library(): Promise<Library> {
  await import('reflect-metadata')
  const library = await import('@peculiar/x509')
  library.cryptoProvider.set(webcrypto as unknown as Crypto)
  return library
}
