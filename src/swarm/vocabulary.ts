import { chainHash } from '../base/chain-hash.ts'
import { isBinary } from './binary.ts'
import type { Message, Protocol, Request } from './registry.ts'
import type { Feature } from './speech.ts'
import { FEATURES } from './speech.ts'

/** What this host understands beyond the frames, found by what stands on the wire. */
export class Vocabulary {
  /** What it tells peers: names of messages, requests and features. */
  readonly names: readonly string[]
  readonly #messages = new Map<string, Message>()
  readonly #requests = new Map<string, Request>()
  /** Messages with a layout of their own, by its tag. */
  readonly #layouts: (Message | undefined)[] = []

  /** Throws `TypeError` for a tag that two messages have. */
  constructor(protocol: Protocol) {
    for (const definition of Object.values(protocol)) {
      if ('response' in definition) this.#requests.set(definition.name, definition)
      else this.#add(definition)
    }
    this.names = [...this.#messages.keys(), ...this.#requests.keys(), ...FEATURES.filter(isHad)]
  }

  message(name: string): Message | undefined {
    return this.#messages.get(name)
  }

  request(name: string): Request | undefined {
    return this.#requests.get(name)
  }

  layout(tag: number): Message | undefined {
    return this.#layouts[tag]
  }

  #add(message: Message): void {
    this.#messages.set(message.name, message)
    if (!isBinary(message.form)) return
    const { tag } = message.form
    if (this.#layouts[tag] !== undefined) throw new TypeError(`two messages have the layout ${tag}`)
    this.#layouts[tag] = message
  }
}

/** Where states are slow to compute, hashes cost less. */
function isHad(feature: Feature): boolean {
  return feature !== 'states' || chainHash.isFast
}
