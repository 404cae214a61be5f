/** Standard Webhooks 1.0.0: the example of its reference libraries, and what two of them make of random messages. */
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { describe, expect, test } from 'vitest';
import {
  generateSecret,
  secretProblem,
  signatureHeader,
  signingKeyProblem,
  signingKeysOf,
} from '../../../src/dispatch/webhook/signature.ts';

test('the example of the reference libraries has their signature', () => {
  const header = signatureHeader(
    { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1_614_265_330, body: Buffer.from('{"test": 2432232314}') },
    signingKeysOf(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']),
  );
  expect(header).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

test('random messages verify with every one of their secrets and with no other', () => {
  const secrets = fc
    .array(fc.uint8Array({ minLength: 24, maxLength: 64 }), { minLength: 1, maxLength: 3 })
    .map((all) => all.map((bytes) => `whsec_${Buffer.from(bytes).toString('base64')}`));
  fc.assert(
    fc.property(secrets, fc.uuid(), fc.json(), (all, id, json) => {
      const timestamp = Math.floor(Date.now() / 1_000);
      const body = Buffer.from(json);
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': `${timestamp}`,
        'webhook-signature': signatureHeader({ id, timestamp, body }, signingKeysOf(all)),
      };
      for (const secret of all) {
        expect(secretProblem(secret)).toBeNull();
        expect(() => new Webhook(secret).verify(body, headers)).not.toThrow();
        expect(() => new SvixWebhook(secret).verify(json, headers)).not.toThrow();
      }
      expect(() => new Webhook(generateSecret()).verify(body, headers)).toThrow();
    }),
    { numRuns: 100 },
  );
});

describe('a secret', () => {
  test.each([
    ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'must start with whsec_'],
    ['whsec_!!!!', 'must be base64 after whsec_'],
    [`whsec_${Buffer.alloc(23).toString('base64')}`, 'must encode 24 to 64 bytes, not 23'],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, 'must encode 24 to 64 bytes, not 65'],
  ])('%s is refused', (secret, problem) => {
    expect(secretProblem(secret)).toBe(problem);
  });

  test.each([
    ['whsec_AAAA', 'must start with whsk_'],
    ['whsk_AAA', 'must be base64 after whsk_'],
    [`whsk_${Buffer.alloc(33).toString('base64')}`, 'must encode 32 or 64 bytes, not 33'],
  ])('%s is refused as an Ed25519 key', (key, problem) => {
    expect(signingKeyProblem(key)).toBe(problem);
  });
});
