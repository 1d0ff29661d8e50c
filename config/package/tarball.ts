import { basename, dirname, join } from 'node:path'
import { run } from './run.ts'

/** Packs the tree under its own name. Returns the path of the archive. */
export function buildTarball(tree: string, out: string, epoch: string): string {
  const archive = join(out, `${basename(tree)}-linux-${process.arch}.tar.gz`)
  const same = ['--sort=name', `--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner']
  run('tar', [...same, '--use-compress-program=gzip -n -6', '-cf', archive, '-C', dirname(tree), basename(tree)])
  return archive
}
