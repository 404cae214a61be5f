/** Signed JSON as Standard Webhooks 1.0.0 defines it, for receivers that are programs. */
import { payloadBytes } from '../payload.ts';
import { signatureHeader, signingKeysOf } from '../signature.ts';
import type { Format } from './format.ts';

/** Sends the payload with its signatures. */
export const standardFormat: Format = {
  // Holds everything that enqueue accepts: labels and data of 256 KB, and texts of 256 KB that JSON may write twice as
  // long. The specification recommends less than 20 KB, and a receiver that accepts less says 413.
  maxBodyBytes: 4_194_304,
  requestsPerSecond: null,
  build(delivery, endpoint, now) {
    const body = payloadBytes(delivery);
    const keys = endpoint.signingKeys ?? signingKeysOf(endpoint.secrets);
    const timestamp = Math.floor(now.getTime() / 1_000);
    return {
      url: endpoint.url,
      headers: {
        'webhook-id': delivery.messageId,
        'webhook-timestamp': `${timestamp}`,
        'webhook-signature': signatureHeader({ id: delivery.messageId, timestamp, body }, keys),
        'idempotency-key': delivery.messageId,
      },
      body,
    };
  },
  classify: () => null,
};
