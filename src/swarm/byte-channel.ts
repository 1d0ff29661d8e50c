/** What a byte channel tells its user. Called synchronously, in order. */
export interface ByteReceiver {
  /** Bytes have arrived. The receiver takes all of them at once; after the call they may be overwritten. */
  data(chunk: Uint8Array): void
  /** No more bytes either way. Called once. */
  closed(): void
}

/** Where bytes of one peer come from. */
export interface ByteInlet {
  /** Starts to deliver, from the first byte. To be called once. */
  open(receiver: ByteReceiver): void
  /** Ends the channel at once, dropping what is unsent. The receiver is not told. Idempotent. */
  close(): void
}

/** An ordered, reliable and encrypted duplex to one peer, or the sending half of one; nothing here says over what. */
export interface ByteChannel extends ByteInlet {
  /** How many bytes to write at a time so that nothing further down is cut unevenly. */
  readonly sliceBytes: number
  /** Bytes written and still waiting for the transport. */
  readonly pendingBytes: number
  /** Takes `bytes` without copying them. False when the transport is saturated (or closed): wait for drained(). */
  write(bytes: Uint8Array): boolean
  /** Resolves true when the transport needs no byte of what was written any more, false when the channel has ended. */
  drained(): Promise<boolean>
}
