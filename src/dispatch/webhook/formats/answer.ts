/** What the responses of chat services have in common. Pure. */
import * as v from 'valibot';
import type { Reason } from '../../../vocabulary.ts';
import { failure, type Classification } from '../classify-response.ts';

/** The service refuses this message. Whether it refuses every message alike is decided later, by evidence. */
export function contentRefused(status: number): Classification {
  return {
    result: failure('failed', 'content_refused', `HTTP ${status}: the content was refused`, status),
    endpoint: status === 413 ? 'healthy' : 'refusing',
  };
}

/** The URL or credential is not valid, or no longer. The message is held until the owner or an operator acts. */
export function unusable(status: number, reason: Reason, note: string): Classification {
  const result = failure('retry', reason, `HTTP ${status}: ${note}`, status);
  return { result: { ...result, pauseMethod: true, alert: true }, endpoint: 'unusable' };
}

/** Accepted, with the receiver's own id if it gave one. */
export function accepted(status: number, receiverId?: string): Classification {
  const reply = { code: `${status}`, ...(receiverId === undefined ? {} : { receiverId: receiverId.slice(0, 200) }) };
  return { result: { outcome: 'sent', reply }, endpoint: 'healthy' };
}

/** Parses a body as JSON of this shape; undefined if it is anything else, or was truncated. */
export function parseBody<T>(schema: v.GenericSchema<unknown, T>, body: string): T | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(body));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
