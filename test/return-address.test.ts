/** Tokens in envelope addresses: what surrounds them on the way, and what cannot be forged. */
import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../src/errors.ts';
import { createReturnAddresses } from '../src/return-address.ts';

const newKey = () => randomBytes(32).toString('base64');
const key = newKey();
const returns = createReturnAddresses([key]);
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const token = returns.tokenOf(id);

describe('a token', () => {
  test('is short enough for an address, the same each time, and read again for every message', () => {
    expect(token).toMatch(/^[a-z2-7]{34}$/);
    expect(returns.tokenOf(id)).toBe(token);
    for (let i = 0; i < 200; i += 1) {
      const one = randomUUID();
      expect(returns.messageIn(`bounces+${returns.tokenOf(one)}@acme.example`)).toBe(one);
    }
  });

  test.each([
    ['as sent', `bounces+${token}@acme.example`],
    ['in capitals', `BOUNCES+${token.toUpperCase()}@ACME.EXAMPLE`],
    ['alone', `${token}@acme.example`],
    ['without a domain', token],
    ['with another separator', `b-${token}@acme.example`],
    ['behind a BATV tag', `prvs=4523abcdef=bounces+${token}@acme.example`],
    ['rewritten by SRS', `SRS0=HHH=TT=acme.example=bounces+${token}@forwarder.example`],
    ['rewritten twice', `SRS1=HHH=first.example==HHH=TT=acme.example=bounces+${token}@second.example`],
  ])('is found %s', (_, address) => {
    expect(returns.messageIn(address)).toBe(id);
  });

  test.each([
    ['of another key', createReturnAddresses([newKey()]).tokenOf(id)],
    ['cut off', token.slice(0, -1)],
    ['with one more letter', `${token}a`],
    ['with its last bits set', `${token.slice(0, -1)}${token.at(-1) === 'b' ? 'd' : 'b'}`],
    ['of an id without its hash', `${token.slice(0, 26)}aaaaaaaa`],
    ['that is empty', ''],
    ['behind the @', `bounces@${token}`],
  ])('is not read %s', (_, text) => {
    expect(returns.messageIn(text.includes('@') ? text : `bounces+${text}@acme.example`)).toBeNull();
  });

  test('of any single changed letter is forged', () => {
    for (let i = 0; i < token.length; i += 1) {
      const changed = `${token.slice(0, i)}${token[i] === 'a' ? 'b' : 'a'}${token.slice(i + 1)}`;
      expect(returns.messageIn(`bounces+${changed}@acme.example`)).toBeNull();
    }
  });

  test('of an earlier key is read while that key is known', () => {
    const rotated = createReturnAddresses([newKey(), key]);
    expect(rotated.messageIn(`${token}@acme.example`)).toBe(id);
    expect(rotated.tokenOf(id)).not.toBe(token);
  });

  test('needs a key of 32 bytes', () => {
    expect(() => createReturnAddresses([])).toThrow(ConfigurationError);
    expect(() => createReturnAddresses(['short'])).toThrow(/base64 of 32 bytes/);
  });
});
