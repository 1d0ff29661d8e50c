import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { TaskGroup } from '../base/task-group.ts'
import type { Digest } from '../oci/digest.ts'
import type { Active } from './active.ts'
import type { Actives } from './actives.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { OriginPort } from './origin-port.ts'
import type { PeerSetPort } from './peer-set-port.ts'
import type { SeederPort } from './seeder-port.ts'
import type { TrackerPort } from './tracker-port.ts'
import type { Transfer } from './transfer.ts'

/** How long no client may resume a blob of which a wrong prefix was handed out. */
const TAINTED_MS = 10 * 60_000
const MAX_REMEMBERED = 1_024

interface EndingsDeps {
  readonly clock: Clock
  readonly actives: Actives
  readonly leecher: LeecherPort
  readonly origin: OriginPort
  readonly seeder: SeederPort
  readonly peers: PeerSetPort
  readonly tracker: TrackerPort
  readonly tasks: TaskGroup
}

/** Ends transfers: removes them from all machines and closes their files. */
export class Endings {
  readonly #deps: EndingsDeps
  readonly #tainted: ExpiringMap<true>
  readonly #closing = new Map<Digest, Promise<void>>()

  constructor(deps: EndingsDeps) {
    this.#deps = deps
    this.#tainted = new ExpiringMap(deps.clock, MAX_REMEMBERED)
  }

  /** Whether a wrong prefix of this blob may be in some client's hands. */
  tainted(digest: Digest): boolean {
    return this.#tainted.get(digest) === true || this.#deps.actives.of(digest).some(({ transfer }) => transfer.tainted)
  }

  /** Resolves when nothing of the digest is being closed any more: its partial can be opened again. */
  async released(digest: Digest): Promise<void> {
    await this.#closing.get(digest)
  }

  /** Stops a transfer; what it has stays on disk. */
  stop(active: Active): void {
    const { transfer } = active
    this.#deps.peers.remove(active, true)
    if (active.shared) this.#deps.seeder.withdraw(transfer.digest)
    this.#forget(active)
    transfer.close(transfer.failure ?? new DOMException('the transfer was stopped', 'AbortError'))
    this.#close(transfer)
  }

  /** The blob is whole: a reader that is still at the transfer goes on to its end. */
  complete(active: Active): void {
    const { transfer } = active
    this.#deps.peers.remove(active, false)
    this.#forget(active)
    transfer.close(new DOMException('the blob is complete', 'AbortError'))
    if (transfer.held) transfer.onIdle = () => this.#close(transfer)
    else this.#close(transfer)
  }

  #forget(active: Active): void {
    const { transfer } = active
    const { actives, leecher, origin, tracker } = this.#deps
    if (transfer.tainted) this.#tainted.set(transfer.digest, true, TAINTED_MS)
    transfer.span.set(transfer.received)
    transfer.span.end(transfer.failure?.message)
    leecher.removeBlob(transfer)
    origin.forget(transfer)
    tracker.drive({ type: 'stopped', blob: transfer.blob })
    actives.remove(active)
    active.releaseAll()
  }

  #close({ digest, partial, window }: Transfer): void {
    const closing = Promise.resolve(partial[Symbol.asyncDispose]()).finally(() => {
      if (this.#closing.get(digest) === closing) this.#closing.delete(digest)
    })
    if (window === undefined) this.#closing.set(digest, closing)
    void this.#deps.tasks.run('closing a blob failed', () => closing)
  }
}
