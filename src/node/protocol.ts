import { blobRequests } from '../blob/index.ts'
import { ordersProtocol } from '../orders/index.ts'
import { tierRequests } from '../tier/index.ts'
import { transferMessages, transferRequests } from '../transfer/index.ts'

/** What a daemon's links carry: the messages and requests of every room. */
export const PROTOCOL = {
  ...tierRequests,
  ...transferMessages,
  ...transferRequests,
  ...blobRequests,
  ...ordersProtocol,
}
