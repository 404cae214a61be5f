/** Signed JSON after Standard Webhooks 1.0.0, for receivers that are programs. */
import { payloadBytes } from '../payload.ts';
import { signatureHeader, signingKeysOf } from '../signature.ts';
import type { Format } from './format.ts';

export const standardFormat: Format = {
  // The specification recommends less than 20 KB; most receivers accept a megabyte, some a quarter of it.
  maxBodyBytes: 262_144,
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
