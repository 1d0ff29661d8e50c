import type { ShoalError } from '../base/errors.ts'

/** What a byte channel tells its user. Called synchronously, in order. */
export interface ByteReceiver {
  /** Bytes have arrived. The receiver takes all of them at once; after the call they may be overwritten. */
  data(chunk: Uint8Array): void
  /** No more bytes either way. Called once. `error`: what the peer did against the protocol, where that is why. */
  closed(error?: ShoalError): void
}

/** Where bytes of one peer come from. */
export interface ByteInlet {
  /** Starts to deliver, from the first byte. To be called once. */
  open(receiver: ByteReceiver): void
  /** What has come by now ends something that the peer may wait to hear the arrival of. */
  acknowledge?(): void
  /** Ends the channel at once, dropping what is unsent. The receiver is not told. Idempotent. */
  close(): void
}

/** Where bytes for one peer go. */
export interface ByteOutlet {
  /** Bytes written and still waiting for the transport. */
  readonly pendingBytes: number
  /** Takes `bytes` without copying them. False when the transport is saturated (or closed). */
  write(bytes: Uint8Array): boolean
  /** Resolves true when the transport needs no byte of what was written any more, false when the channel has ended. */
  drained(): Promise<boolean>
}

/** An ordered, reliable and encrypted duplex to one peer, or the sending half of one; nothing here says over what. */
export interface ByteChannel extends ByteInlet, ByteOutlet {
  /** How many bytes to write at a time so that nothing further down is cut unevenly. */
  readonly sliceBytes: number
  /**
   * Resolves true when the peer has taken all that was written until now, false when the channel has ended. Where the
   * transport cannot tell, it is the same as drained().
   */
  arrived(): Promise<boolean>
}
