import { basename, dirname, join } from 'node:path'
import { run } from './run.ts'

export interface TarballOptions {
  readonly out: string
  /** The time of every file in it, in seconds since 1970. */
  readonly epoch: string
  /** Hardly compressed, and quicker to build. */
  readonly quick: boolean
}

/** Packs the tree under its own name. Returns the path of the archive. */
export function buildTarball(tree: string, { out, epoch, quick }: TarballOptions): string {
  const archive = join(out, `${basename(tree)}-linux-${process.arch}.tar.gz`)
  const same = ['--sort=name', `--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner']
  run('tar', [
    ...same,
    `--use-compress-program=gzip -n -${quick ? 1 : 6}`,
    '-cf',
    archive,
    '-C',
    dirname(tree),
    basename(tree),
  ])
  return archive
}
