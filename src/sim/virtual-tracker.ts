import type { TrackerEffect, TrackerEvent } from '../scheduler/index.ts'
import { runsOf, Tracker } from '../scheduler/index.ts'
import type { Surroundings, VirtualHost } from './virtual-host.ts'

/** Drives a home's tracker: carries what it decides over virtual links. */
export class VirtualTracker {
  readonly #home: VirtualHost
  readonly #world: Surroundings
  readonly #tracker = new Tracker()

  constructor(home: VirtualHost, world: Surroundings) {
    this.#home = home
    this.#world = world
  }

  on(event: TrackerEvent): void {
    const effects: TrackerEffect[] = []
    this.#tracker.on(event, this.#world.clock.now(), effects)
    for (const effect of effects) this.#run(effect)
  }

  #run(effect: TrackerEffect): void {
    switch (effect.type) {
      case 'introduce':
        return this.#world.introduce(this.#home, effect.peer, effect.blob, effect.peers)
      case 'tellHashes':
        return this.#tellHashes(effect)
      case 'leecher':
        return this.#home.toLeecher(effect.event)
      case 'wake':
        return this.#world.clock.call(effect.ms, () => this.on(effect), undefined)
      case 'tellGaveUp':
      case 'tellLeft':
        // homes of simulations neither fail nor are wrong
        return
      default:
        effect satisfies never
    }
  }

  #tellHashes({ blob, pieces, to }: Extract<TrackerEffect, { type: 'tellHashes' }>): void {
    for (const { first, count } of runsOf(pieces ?? []))
      for (const member of to) this.#world.toLeecher(this.#home, member, { type: 'hashesKnown', blob, first, count })
  }
}
