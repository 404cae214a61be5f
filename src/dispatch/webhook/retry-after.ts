/** `Retry-After` (RFC 9110, section 10.2.3). Pure. */

/** The longest wait that a receiver may ask for, in seconds. */
export const maxRetryAfterSeconds = 86_400;

/** Integer or decimal seconds (Discord sends decimals), or an HTTP-date. */
const seconds = /^\d{1,15}(\.\d{1,9})?$/;
const httpDate = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /;

/**
 * The wait in whole seconds, rounded up, from 0 to 24 h; null if the value is absent or not valid. A time in the past
 * is 0. The retry schedule is a lower bound for it.
 */
export function parseRetryAfter(value: string | undefined, now: Date): number | null {
  const text = value?.trim() ?? '';
  if (seconds.test(text)) return clamp(Number(text));
  if (!httpDate.test(text)) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : clamp((time - now.getTime()) / 1_000);
}

function clamp(value: number): number {
  return Math.min(Math.max(Math.ceil(value), 0), maxRetryAfterSeconds);
}
