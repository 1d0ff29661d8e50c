import type { VirtualHost } from './virtual-host.ts'

/** What one host says to another, and who hears it. */
export interface Message<T> {
  readonly from: VirtualHost
  readonly to: VirtualHost
  readonly fromLife: number
  readonly toLife: number
  readonly content: T
  readonly hear: (message: Message<T>) => void
}

/** A message from or to a life that has ended is lost. */
export function deliver<T>(message: Message<T>): void {
  const { from, to, fromLife, toLife } = message
  if (from.up && to.up && from.life === fromLife && to.life === toLife) message.hear(message)
}
