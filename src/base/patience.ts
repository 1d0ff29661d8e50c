/*
 * How long each waits for the next, from the runtime inwards. Every limit is shorter than the one around it, so that
 * whoever waits is told before it gives up by itself; patience.test.ts holds the nesting.
 */

/** Runtimes and the proxies before them give up on headers after this, or later. */
const RUNTIME_HEADERS_MS = 10_000

/** The mirror server has an answer by then: a 404 that sends the runtime to the registry is better than none. */
export const MIRROR_ANSWER_MS = RUNTIME_HEADERS_MS - 2_000

/** A timer that comes so much too late says that this process has more to do than it can. */
export const OVERLOADED_MS = 500

/** What a home that is too busy to answer has is announced to runtimes by then. */
export const ANNOUNCE_BUSY_MS = MIRROR_ANSWER_MS - 1_000

/** A cache that does not even say that it is at work by then is passed over for the next. */
export const ASK_MS = MIRROR_ANSWER_MS - 3_000

/** A cache that has no answer by then says that it is at work on it. */
export const AT_WORK_AFTER_MS = ASK_MS - 1_500

/** A link that cannot be made by then is not waited for. */
export const DIAL_MS = ASK_MS - 1_000

/** What nobody waits for any more goes on for so long, for who asks next. */
export const LINGER_MS = 60_000

/** A cache that keeps saying that it is at work is believed for so long. */
export const AT_WORK_MOST_MS = LINGER_MS

/** Of what callers have left, so many go on at the same time. */
export const LINGERING_MOST = 256
