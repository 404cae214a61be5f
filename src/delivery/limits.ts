/** The bounds on what may be sent more than once. */

/**
 * First retry after an unknown outcome, in seconds: the receiver's own queue needs time to deliver what it accepted.
 */
export const unknownDelaySeconds = 300;
/** Retries after an unknown outcome, so three tries in all. Each may give the receiver one more copy. */
export const maxUnknownRetries = 2;
/** How long a message may be retried without being counted, in seconds. */
export const maxUncountedSeconds = 86_400;
/** Longest wait between two uncounted tries, in seconds, unless the receiver asks for more. */
export const maxUncountedDelaySeconds = 900;
/** Longest wait that a receiver may ask for, in seconds. */
export const maxRetryAfterSeconds = 86_400;
/** The largest `integer` of Postgres: a counter stops there, because an overflow would fail the whole batch. */
export const maxInteger = 2_147_483_647;
