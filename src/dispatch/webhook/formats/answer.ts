/** What the answers of chat services have in common. Pure. */
import * as v from 'valibot';
import type { Reason } from '../../../vocabulary.ts';
import { failure, type Verdict } from '../classify-response.ts';

/** The service will never take this message. The endpoint is all right. */
export function contentRefused(status: number): Verdict {
  return {
    result: failure('failed', 'content_refused', `HTTP ${status}: the content was refused`, status),
    endpoint: 'healthy',
  };
}

/** The URL or credential is not valid (any more). The message is kept until somebody acts. */
export function unusable(status: number, reason: Reason, note: string): Verdict {
  const result = failure('retry', reason, `HTTP ${status}: ${note}`, status);
  return { result: { ...result, pauseMethod: true, alert: true }, endpoint: 'unusable' };
}

/** Accepted, under an id of the receiver's own if it named one. */
export function accepted(status: number, receiverId?: string): Verdict {
  const reply = { code: `${status}`, ...(receiverId === undefined ? {} : { receiverId: receiverId.slice(0, 200) }) };
  return { result: { outcome: 'sent', reply }, endpoint: 'healthy' };
}

/** A body that should be JSON of this shape; undefined: it is not, or was cut. */
export function parseBody<T>(schema: v.GenericSchema<unknown, T>, body: string): T | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(body));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
