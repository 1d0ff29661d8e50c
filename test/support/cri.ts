import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'

/** Kubernetes' way of asking a runtime for an image (CRI, ImageService/PullImage), as gRPC by hand. Rejects with what it says. */
export async function criPull(socketPath: string, image: string): Promise<void> {
  const session = connectHttp2('http://localhost', { createConnection: () => connect(socketPath) })
  try {
    await new Promise<void>((resolve, reject) => {
      session.once('error', reject)
      const stream = session.request({
        ':method': 'POST',
        ':path': '/runtime.v1.ImageService/PullImage',
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      // a failure comes in trailers, or in the only headers there are
      const settle = (headers: Record<string, unknown>): void => {
        const status = headers['grpc-status']
        if (status === undefined) return
        if (status === '0') resolve()
        else reject(new Error(`PullImage ${image}: ${headers['grpc-message']} (${status})`))
      }
      stream.on('response', settle).on('trailers', settle).once('error', reject).resume()
      stream.end(framed(field(1, field(1, Buffer.from(image)))))
    })
  } finally {
    session.destroy()
  }
}

/** A length-delimited protobuf field of less than 128 bytes. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
}

/** A message as gRPC frames it, not compressed. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}
