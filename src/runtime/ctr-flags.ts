interface CtrPull {
  /** The directory with the client's registry settings. */
  readonly hostsDir: string
  /** Undefined leaves it to the client, which takes overlayfs. */
  readonly snapshotter: string | undefined
}

/**
 * The flags of `ctr images pull`, chosen by what this client's own help offers rather than by its version, which a
 * distribution may have patched.
 * - `--local` (since 1.7): the client pulls and unpacks itself. Without it, clients since 2.0 leave the pull to the
 *   daemon's transfer service, which unpacks only into the snapshotters of its `[[unpack_config]]` (by default one,
 *   overlayfs), and fails for every other with "no unpack platforms defined".
 * - `--skip-metadata` (since 1.7): clients since 2.0 would else want the configs of all platforms, which are not here.
 */
export function ctrPullFlags(help: string, { hostsDir, snapshotter }: CtrPull): string[] {
  const wanted = ['--local', '--skip-metadata'].filter((flag) => offers(help, flag))
  return ['--hosts-dir', hostsDir, ...(snapshotter === undefined ? [] : ['--snapshotter', snapshotter]), ...wanted]
}

/** An option begins its line; the texts behind other options may name it as well. */
function offers(help: string, flag: string): boolean {
  return help.split('\n').some((line) => line.trim().split(/[\s,=]/)[0] === flag)
}
