import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { createTokenBox } from '../../src/recipients/token.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const box = createTokenBox([key(1)]);
const subject = { recipientId: 'ada@example.com', tenant: 'acme', template: 'weekly-report', method: 'smtp' };

describe('a token', () => {
  test('opens as what was sealed, whatever the characters, and contains only what a URL path may', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(text, fc.option(text), text, text, (recipientId, tenant, template, method) => {
        const given = { recipientId, tenant, template, method };
        const token = box.seal('unsubscribe', given);
        expect(token).toMatch(/^[\w-]+$/);
        expect(box.open('unsubscribe', token)).toEqual({ subject: given });
      }),
      { numRuns: 200 },
    );
  });

  test('is the same on every machine with the key, and another for every recipient', () => {
    const again = createTokenBox([key(1)]);
    expect(again.seal('unsubscribe', subject)).toBe(box.seal('unsubscribe', subject));
    // A change of this text breaks the links of every email that was sent.
    expect(box.seal('preferences', { recipientId: 'user-7', tenant: null })).toMatchInlineSnapshot(
      `"AZoROfwkjwM_0ez3OwxbG61U_jf6-2PqBFF8X40CQdD8Os0jTuM0wnAzI9S_YpKf"`,
    );
    const tokens = Array.from({ length: 2000 }, (_, n) =>
      box.seal('unsubscribe', { ...subject, recipientId: `u${n}` }),
    );
    expect(new Set(tokens).size).toBe(2000);
  });

  test('shows neither the recipient nor the tenant', () => {
    const token = box.seal('unsubscribe', subject);
    const bytes = Buffer.from(token, 'base64url').toString('latin1');
    for (const word of ['ada', 'example', 'acme', 'weekly', 'smtp']) {
      expect(token).not.toContain(word);
      expect(bytes).not.toContain(word);
    }
  });

  test('that was cut off or changed anywhere does not open', () => {
    const token = box.seal('unsubscribe', subject);
    for (let length = 0; length < token.length; length += 1)
      expect(box.open('unsubscribe', token.slice(0, length)), `cut to ${length}`).toHaveProperty('problem');
    const bytes = Buffer.from(token, 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(box.open('unsubscribe', changed.toString('base64url'))).toHaveProperty('problem');
    }
  });

  test.each(['', '.', '../..', 'a b', `${'A'.repeat(3001)}`, '%00', 'AQ==', '\u0000'])(
    'is not %j, which is malformed',
    (text) => {
      expect(box.open('unsubscribe', text)).toEqual({ problem: 'malformed' });
    },
  );

  test('has one spelling: spare bits, padding and the other alphabet are refused', () => {
    const token = box.seal('preferences', { recipientId: 'u', tenant: null });
    const open = (text: string) => box.open('preferences', text);
    expect([`${token}=`, `${token}A`, token.replace(/-|_/, '+')].filter((text) => text !== token).map(open)).toEqual(
      expect.not.arrayContaining([expect.objectContaining({ subject: expect.anything() })]),
    );
  });

  test('opens for its own purpose only', () => {
    const token = box.seal('acknowledge', { recipientId: 'user-7', tenant: null, notificationId: 'n-1' });
    expect(box.open('acknowledge', token)).toHaveProperty('subject');
    expect(box.open('unsubscribe', token)).toEqual({ problem: 'malformed' });
    expect(box.open('preferences', token)).toEqual({ problem: 'malformed' });
  });
});

describe('keys', () => {
  test('rotate: the first seals, all of them open, and a retired one is told apart from a broken link', () => {
    const old = box.seal('unsubscribe', subject);
    const rotated = createTokenBox([key(2), key(1)]);
    expect(rotated.open('unsubscribe', old)).toEqual({ subject });
    const fresh = rotated.seal('unsubscribe', subject);
    expect(fresh).not.toBe(old);
    expect(createTokenBox([key(2)]).open('unsubscribe', fresh)).toEqual({ subject });
    expect(createTokenBox([key(2)]).open('unsubscribe', old)).toEqual({ problem: 'unknown_key' });
  });

  test.each([
    [[], /links\.keys: has no key/],
    [['short'], /links\.keys: must be base64 of 32 bytes, not of 3/],
    [[`${key(1)}!`], /links\.keys: must be base64 of 32 bytes/],
  ])('%j are refused with the name of the setting', (keys, message) => {
    expect(() => createTokenBox(keys)).toThrow(ConfigurationError);
    expect(() => createTokenBox(keys)).toThrow(message);
  });
});
