import { describe, expect, test } from 'vitest';
import { canonicalText, traceCanonicalText } from '../../src/dispatch/canonical-text.ts';
import { redactKnown } from '../../src/dispatch/redact.ts';

const secret = 'Pa$$w0rd-*of*_Ada_"<ü>&/?=%+';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const htmlEscaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The ways in which receivers were seen to repeat what they were sent, and some combinations. */
const forms: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'percent-encoded': encodeURIComponent,
  'percent-encoded in part': encodeURI,
  'percent-encoded in lower case': (text) => encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
  'percent-encoded twice': (text) => encodeURIComponent(encodeURIComponent(text)),
  'form-encoded': (text) => new URLSearchParams({ text }).toString().slice(5),
  'JSON-escaped': (text) => JSON.stringify(text).slice(1, -1),
  'JSON-escaped twice': (text) => JSON.stringify(JSON.stringify(text)),
  'JSON-escaped to ASCII': (text) =>
    text.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'with every character as \\u': (text) =>
    text.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'with every character as \\u{}': (text) => Array.from(text, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`).join(''),
  'with every character as %u': (text) =>
    text.replace(/[\s\S]/g, (unit) => `%u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'in octal': (text) => text.replace(/[\s\S]/g, (unit) => `\\${unit.charCodeAt(0).toString(8).padStart(3, '0')}`),
  'Markdown-escaped': (text) => text.replace(/[^\p{L}\p{N}\s]/gu, '\\$&'),
  'HTML-escaped': htmlEscaped,
  'HTML-escaped by number': (text) => Array.from(text, (c) => `&#${c.codePointAt(0)};`).join(''),
  'HTML-escaped by number without semicolons': (text) => Array.from(text, (c) => `&#${c.codePointAt(0)}`).join(''),
  'HTML-escaped by number with zeros': (text) =>
    Array.from(text, (c) => `&#${'0'.repeat(9)}${c.codePointAt(0)};`).join(''),
  'HTML-escaped JSON': (text) => htmlEscaped(JSON.stringify(text)),
  'in upper case': (text) => text.toUpperCase(),
  decomposed: (text) => text.normalize('NFD'),
  'in base64': base64,
  'in base64 with text around it': (text) => base64(`ab${text}c`),
  'in base64url': (text) => Buffer.from(`x${text}`).toString('base64url'),
  'in hexadecimal': (text) => Buffer.from(text).toString('hex'),
  'as a list of bytes': (text) => `[${[...Buffer.from(text)].join()}]`,
  'quoted-printable': (text) =>
    text.replace(/[^\p{L}\p{N} ]/gu, (c) => `=${Buffer.from(c).toString('hex').toUpperCase()}`),
  'spread out': (text) => Array.from(text).join(' '),
  'broken over lines': (text) => `${text.slice(0, 9)}\r\n  ${text.slice(9)}`,
};

describe('a secret', () => {
  test.each(Object.entries(forms))('is removed %s', (_, write) => {
    const reply = `bad request: ${write(secret)} was not expected`;
    const redacted = redactKnown(reply, { secrets: [secret], texts: [] });
    expect(redacted).toMatch(/^bad request: \S*\[\.\.\.\].* was not expected$/);
    // At the edges, base64 mixes in the text around it.
    const rest = canonicalText(redacted.slice(13, -17));
    expect(rest).toMatch(/^(?!.*(?:pa|w0rd|ada)).{0,6}$/);
  });

  test.each([
    ['4829', 'code 4829 expired', 'code [...] expired'],
    ['4829', '{"code":"48-29"}', '{"code":"[...]"}'],
    ['12', 'code 12 of 120', 'code [...] of 120'],
    ['!?', 'code !? expired', 'code [...] expired'],
    ['0123456789abcdef', 'token 89abcdef is bad', 'token [...] is bad'],
    ['0123456789abcdef', 'token cdef is bad', 'token cdef is bad'],
  ])('%s in %s', (known, reply, expected) => {
    expect(redactKnown(reply, { secrets: [known], texts: [] })).toBe(expected);
  });
});

describe('what the message says', () => {
  test.each([
    ['dev-box', 'no dev\\-box here', 'no [...] here'],
    ['note', 'not even a note', 'not even a [...]'],
    ['ok', 'ok', 'ok'],
    ['Your workspace dev-box was deleted for good.', 'cannot parse "workspace dev-box was dele', 'cannot parse "[...]'],
  ])('%s in %s', (known, reply, expected) => {
    expect(redactKnown(reply, { secrets: [], texts: [known] })).toBe(expected);
  });
});

test('the canonical form is the same whether or not places are traced', () => {
  for (const write of Object.values(forms)) {
    const text = `${write(secret)} %zz \\ &#9999999; ΣΑΣ \ud83d ﬁ`;
    const traced = traceCanonicalText(text);
    expect(traced.text).toBe(canonicalText(text));
    expect(traced.starts).toHaveLength(traced.text.length);
    expect(traced.ends).toHaveLength(traced.text.length);
  }
});

test.each([
  ['one letter', 'a'.repeat(2_048), 'a'.repeat(262_144)],
  ['runs that are almost long enough', `${'a'.repeat(15)}b`.repeat(128), 'a'.repeat(262_144)],
  ['endless entities', '&#0'.repeat(680), '&#0'.repeat(87_000)],
  ['zeros', `&#${'0'.repeat(2_040)}`, `&#${'0'.repeat(262_140)}`],
  ['nested escapes', `%${'25'.repeat(1_000)}`, `%${'25'.repeat(130_000)}`],
  ['backslashes', '\\'.repeat(2_048), '\\'.repeat(262_144)],
  ['words', 'lorem ipsum dolor '.repeat(113), 'dolor ipsum lorem sit '.repeat(12_000)],
])('a reply of 2 KB against a message of 256 KB does not block: %s', (_, reply, message) => {
  const known = { secrets: [message.slice(0, 16_000)], texts: [message] };
  // The best of several: the machine does other things, too.
  const times = Array.from({ length: 5 }, () => {
    const { user } = process.cpuUsage();
    redactKnown(reply, known);
    return (process.cpuUsage().user - user) / 1_000;
  });
  expect(Math.min(...times)).toBeLessThan(100);
});
