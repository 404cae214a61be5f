/** Text of strangers that is printed cannot steer a terminal. */
import { describe, expect, test } from 'vitest';
import { printable, printableJson, printableLines } from '../src/printable.ts';

const controls = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, offset) => 0x7f + offset),
  ...[0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
];

describe('text that is printed', () => {
  test.each(controls)('has no character %i, but an escape of it', (code) => {
    const character = String.fromCharCode(code);
    const escape = `\\u${code.toString(16).padStart(4, '0')}`;
    expect(printable(`a${character}b`)).toBe(`a${escape}b`);
    expect(printableLines(`a${character}b`)).toBe(code === 10 || code === 9 ? `a${character}b` : `a${escape}b`);
  });

  test('keeps letters of every script, and emoji', () => {
    const text = 'Zoë, 日本太郎, עברית, 👩‍👩‍👧, é';
    expect(printable(text)).toBe(text);
  });

  test('is JSON that means the same', () => {
    const value = { text: controls.map((code) => String.fromCharCode(code)).join('') };
    const json = printableJson(value);
    expect(JSON.parse(json)).toEqual(value);
    // oxlint-disable-next-line no-control-regex
    expect(json).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  });
});
