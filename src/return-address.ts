/**
 * Envelope addresses that say which message comes back (VERP): the local part has the message's id and a keyed hash, so
 * that nobody who has no email of ours can make up a report about it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ConfigurationError } from './errors.ts';

/** Writes and reads tokens in addresses that emails return to. */
export interface ReturnAddresses {
  /** The token of a message: 34 lower-case letters and digits. */
  tokenOf(messageId: string): string;
  /** The message that a token in the local part of an address stands for; null: there is none, or it is forged. */
  messageIn(address: string): string | null;
}

/** Stands for the token in `envelopeFrom`. */
export const tokenPlace = '{token}';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
const idBytes = 16;
const macBytes = 5;
const tokenLength = Math.ceil(((idBytes + macBytes) * 8) / 5);

/**
 * What surrounds a token: BATV (`prvs=...=`) and SRS (`SRS0=...=domain=`) put their own before it, and servers may
 * write it in capitals. A token of other letters does not end where this one begins.
 */
const tokenPattern = new RegExp(`(?:^|[^a-z2-7])([a-z2-7]{${tokenLength}})(?=$|[^a-z2-7])`, 'i');

/**
 * Creates the addresses.
 *
 * @param keys each the base64 text of 32 random bytes. The first one makes tokens; all of them read tokens.
 * @throws {ConfigurationError} if there is no key, or if one is not 32 bytes in base64.
 */
export function createReturnAddresses(keys: readonly string[]): ReturnAddresses {
  const known = keys.map(keyOf);
  const [current] = known;
  if (current === undefined)
    throw new ConfigurationError('return address key', 'is missing; make one with: openssl rand -base64 32');
  return {
    tokenOf(messageId) {
      const id = Buffer.from(messageId.replaceAll('-', ''), 'hex');
      return base32(Buffer.concat([id, macOf(current, id)]));
    },
    messageIn(address) {
      const at = address.lastIndexOf('@');
      const found = tokenPattern.exec(at < 0 ? address : address.slice(0, at))?.[1]?.toLowerCase();
      const bytes = found === undefined ? null : fromBase32(found);
      if (bytes === null) return null;
      const [id, mac] = [bytes.subarray(0, idBytes), bytes.subarray(idBytes)];
      if (!known.some((key) => timingSafeEqual(macOf(key, id), mac))) return null;
      return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    },
  };
}

function keyOf(text: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== 32 || key.toString('base64') !== text.trim())
    throw new ConfigurationError(
      'return address key',
      'must be base64 of 32 bytes; make one with: openssl rand -base64 32',
    );
  // The same key may encrypt secrets: each use has a key of its own.
  return createHmac('sha256', key).update('pg-herald return address').digest();
}

function macOf(key: Buffer, id: Buffer): Buffer {
  return createHmac('sha256', key).update(id).digest().subarray(0, macBytes);
}

function base32(bytes: Buffer): string {
  let [text, bits, value] = ['', 0, 0];
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >> bits) & 31];
    }
  }
  return bits === 0 ? text : text + alphabet[(value << (5 - bits)) & 31];
}

/** Null if the bits after the last byte are not zero: a token has one form. */
function fromBase32(text: string): Buffer | null {
  const bytes = Buffer.alloc(Math.floor((text.length * 5) / 8));
  let [at, bits, value] = [0, 0, 0];
  for (const character of text) {
    value = ((value << 5) | alphabet.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at] = (value >> bits) & 0xff;
    at += 1;
  }
  return (value & ((1 << bits) - 1)) === 0 ? bytes : null;
}
