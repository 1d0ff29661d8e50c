/*
 * How long each waits for the next, from the runtime inwards. Every limit is shorter than the one around it, so that
 * whoever waits is told before it gives up by itself; patience.test.ts holds the nesting.
 */

/** Runtimes and the proxies before them give up on headers after this, or later. */
const RUNTIME_HEADERS_MS = 10_000

/** The mirror server has an answer by then: a 404 that sends the runtime to the registry is better than none. */
export const MIRROR_ANSWER_MS = RUNTIME_HEADERS_MS - 2_000

/**
 * Unless an origin that lives is at work on it: then a 404 would send the whole fleet to what is slow already, and runtimes
 * wait for longer (containerd from 2.3 on 30 s; before, and all others: for ever). What ends in a 404 after all is asked of
 * the registry from the start, and must not take more than 1.2 times what that takes by itself and ten seconds more: of
 * waits that are in vain, 12.5 s is the longest that holds this for every registry. The half second is the way there.
 */
export const LIVING_ANSWER_MS = 12_000

/** One whose latest answer took longer than others may, and came: this one comes, too, where the registry's would not sooner. */
export const SLOW_ANSWER_MS = 17_000

/** Where an origin has been silent for long, its silence is not waited for again with each of a pull's requests. */
export const SILENT_ANSWER_MS = 2_000

/**
 * What is known of what a question waits for: it `lives`, having answered others lately; it is `slow`, as its latest answer
 * was; it is an origin that is `unheard` of, as it has never answered; or one that is `silent`, and has let its latest
 * question wait for longer than a runtime would.
 */
export const SOURCE_LIVES = ['lives', 'slow', 'unheard', 'silent'] as const
export type SourceLife = (typeof SOURCE_LIVES)[number]

/** How long a runtime is let wait for its answer, by what is known of the origin. */
export const ANSWER_MS: Readonly<Record<SourceLife, number>> = {
  silent: SILENT_ANSWER_MS,
  unheard: MIRROR_ANSWER_MS,
  lives: LIVING_ANSWER_MS,
  slow: SLOW_ANSWER_MS,
}

/** An origin that has no answer by then is not the only one asked any more, where there is another. */
export const NEXT_ORIGIN_MS = MIRROR_ANSWER_MS / 2

/** A timer that comes this late says that this process has more to do than it can. */
export const OVERLOADED_MS = 500

/** What a home that is too busy to answer has is announced to runtimes by then. */
export const ANNOUNCE_BUSY_MS = MIRROR_ANSWER_MS - 1_000

/** A range, or a blob of unknown size, is waited for this long by itself before its pieces, or its size, are asked for too. */
export const ALONE_MS = 500

/** A cache that does not even say that it is at work by then is passed over for the next. */
export const ASK_MS = MIRROR_ANSWER_MS - 3_000

/** With nobody left to ask instead, a cache is waited for longer than any runtime waits for this host. */
export const LAST_ASK_MS = SLOW_ANSWER_MS + MIRROR_ANSWER_MS

/** Hosts that stand in for the caches are asked for this long, all together: the other half of the time is the origin's. */
export const STAND_INS_MS = MIRROR_ANSWER_MS / 2

/** A cache that has no answer by then says that it is at work on it. */
export const AT_WORK_AFTER_MS = ASK_MS - 1_500

/** Or by then, where that has been silent already. */
export const SAY_SILENT_AFTER_MS = SILENT_ANSWER_MS / 2

/** A link that cannot be made by then is not waited for. */
export const DIAL_MS = ASK_MS - 1_000

/** The command line waits this long for its host's admin server, as do people. */
export const COMMAND_MS = 30_000

/** The admin server has an answer by then: an error that says what is missing. */
export const ADMIN_ANSWER_MS = COMMAND_MS - 5_000

/** A cache that is asked about jobs, or to forget a tag, is waited for this long: then another one can still be named. */
export const CACHE_ANSWER_MS = ADMIN_ANSWER_MS - 5_000

/** Whoever is asked about one image, to say why, has this long: the home and the origin one after the other fit. */
export const WHY_PART_MS = (ADMIN_ANSWER_MS - 5_000) / 2

/** Hosts that have not told a cache by then how much room they have are not counted. */
export const CAPACITY_MS = 3_000

/** What nobody waits for any more goes on for this long, for whoever asks next. */
export const LINGER_MS = 60_000

/** An origin that has not begun to answer by then is taken for dead: what nobody waits for any more is not waited for. */
export const ORIGIN_HEADERS_MS = LINGER_MS

/** A cache that keeps saying that it is at work is believed for this long. */
export const AT_WORK_MOST_MS = LINGER_MS

/** Of what callers have left, this many go on at the same time. */
export const LINGERING_MOST = 256
