/*
 * The swarm room: every link this host has to other members.
 *
 *   swarm            the Swarm: dial, listen, link, ban, dispose
 *   dialler,listener one link per peer, whoever dials      joining       what both share
 *   speech           what a peer understands            dropped-names  what it does not
 *   introduction     who is who, before anything else      identity      this host's own key (host-facts: whose it is)
 *   clones           hosts that have one identity
 *   byte-budget      what all links together may make this host hold
 *   inbound-port     arrivals, TLS and libp2p on one port
 *   arrivals         inbound connections that are no links yet: arrival-order, address-group
 *   link             a live link                           link-table    all of them
 *   registry         how rooms define messages and requests; vocabulary finds them by name; binary: layouts of their own;
 *                    link-messages: the swarm's own
 *   control-channel  frames (wire*, frame-decoder), byte-gate; request-client, request-server
 *   piece-channel    bulk: framed-piece-channel, piece-sender, piece-receiver, piece-frame
 *   byte-channel     what both channels stand on; stream-channel: a libp2p stream as one; libp2p-host: libp2p itself
 *   tls-channels        pieces one way and control the other over TLS: tls-piece-reader with tls-uplink, tls-piece-writer,
 *                    uplink-records; tls-server, tls-ticket, self-signed make the connections; shared-port: TLS and
 *                    libp2p on one port
 *
 * PROTOCOL.md says what goes over the wire. Only this room knows libp2p.
 *   own-addresses    where this host is reached; peer-addresses, multiaddr: where others are
 *   link-credentials  certificates that end; check-trust: at the start; run-signatures: of hashes; homes-secret: what homes rank by
 *   refusal-log, metrics  who was turned away        bounded-tokens, wire-limits, wire-types  what a frame may be
 *   interface, options   what the room offers and takes
 */

// who starts a swarm gives it a fleet's key
export type { FleetKey } from '../trust/index.ts'
export {
  agentKeyOf,
  formatFleetKey,
  generateFleetKey,
  isLoopbackKey,
  LOOPBACK_KEY,
  parseFleetKey,
} from '../trust/index.ts'
export { addressGroup } from './address-group.ts'
export type { BinaryLayout } from './binary.ts'
export type { PeerInfo, PeerKey, PeerLink, PieceSink, Role, Swarm, SwarmEvents } from './interface.ts'
export { linkMessages } from './link-messages.ts'
export type { SwarmOptions } from './options.ts'
export { DEFAULT_SWARM_LIMITS, PIECE_CHANNEL_KINDS } from './options.ts'
export { MAX_QUEUED_PIECES } from './piece-sender.ts'
export type {
  BodyOf,
  Granted,
  Handlers,
  Message,
  Protocol,
  Request,
  Response,
  ResponseTo,
} from './registry.ts'
export { Dispatcher, defineMessages, defineRequests } from './registry.ts'
export { Libp2pSwarm } from './swarm.ts'
export { WIRE_LIMITS } from './wire-limits.ts'
export type { AddressProof, HashRun, PeerAddress } from './wire-types.ts'
export {
  bytes,
  dated,
  digest,
  hashRuns,
  label,
  name,
  peers,
  pieceIndex,
  place,
  sizeBytes,
  tag,
  tagOrDigest,
  text,
  u32,
} from './wire-types.ts'
