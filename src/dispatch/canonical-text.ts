/**
 * Texts in a form that does not depend on how they were escaped: percent, JSON, Markdown and HTML escapes are decoded
 * until none is left, then letters and digits alone are kept, in lower case and without accents. Pure.
 */

/** A canonical text that knows which part of the original each of its characters came from. */
export interface TracedText {
  readonly text: string;
  /** By index into `text`: where the source of its character starts and ends in the original. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/**
 * Percent-encoded bytes, `%u0041`; `\u0041`, `\u{41}`, `\x41`, `\101`, `\n` and any other character after a backslash;
 * HTML entities, which need no semicolon.
 */
const escapes = new RegExp(
  [
    String.raw`(?:%[0-9a-f]{2})+|[%\\]u[0-9a-f]{4}|\\u\{[0-9a-f]{1,6}\}|\\x[0-9a-f]{2}|\\[0-3][0-7]{2}|\\.`,
    String.raw`&#0*\d{1,7};?|&#x0*[0-9a-f]{1,6};?|&(?:amp|lt|gt|quot|apos|nbsp);`,
  ].join('|'),
  'gisu',
);
/** Deeper nesting is not decoded: each round reads the whole text. */
const maxRounds = 8;
const notAlphanumeric = /[^\p{L}\p{N}]+/gu;

/** Nearly all texts: ASCII without anything that begins an escape. */
const plainText = /^[ !-$'-[\]-~]*$/;

/** Returns the canonical form of a text. */
export function canonicalText(text: string): string {
  if (plainText.test(text)) return text.toLowerCase().replace(/[^a-z0-9]+/g, '');
  let decoded = text;
  for (let round = 0; round < maxRounds; round += 1) {
    const before = decoded;
    decoded = decoded.replace(escapes, decodeEscape);
    if (decoded === before) break;
  }
  return foldCase(decoded).replace(notAlphanumeric, '');
}

/** Returns the canonical form with the place of each character in the original. Slower; for short texts. */
export function traceCanonicalText(original: string): TracedText {
  const positions = Array.from({ length: original.length }, (_, index) => index);
  let traced: TracedText = { text: original, starts: positions, ends: positions.map((index) => index + 1) };
  for (let round = 0; round < maxRounds; round += 1) {
    const before = traced.text;
    traced = replaceTraced(traced, escapes, decodeEscape);
    if (traced.text === before) break;
  }
  return replaceTraced(traced, /./gsu, (character) => foldCase(character).replace(notAlphanumeric, ''));
}

/** Every escape becomes shorter, so decoding ends. */
function decodeEscape(escape: string): string {
  if (escape.startsWith('\\') && escape.length <= 3) return 'nrtbf'.includes(escape.slice(1)) ? ' ' : escape.slice(1);
  const hex = /^(?:%u|\\u\{?|\\x|&#x)([0-9a-f]+)[;}]?$/i.exec(escape)?.[1];
  if (hex !== undefined) return character(Number.parseInt(hex, 16));
  if (escape.startsWith('%')) return Buffer.from(escape.replaceAll('%', ''), 'hex').toString('utf8');
  if (escape.startsWith('\\')) return character(Number.parseInt(escape.slice(1), 8));
  const decimal = /^&#(\d+);?$/.exec(escape)?.[1];
  if (decimal !== undefined) return character(Number(decimal));
  return entities[escape.slice(1, -1).toLowerCase()] ?? '';
}

function character(codePoint: number): string {
  return codePoint <= 0x10_ff_ff ? String.fromCodePoint(codePoint) : '';
}

/** Lower case in every language, with accents apart from their letters. */
function foldCase(text: string): string {
  return text.normalize('NFKD').toLowerCase().replaceAll('ς', 'σ');
}

function replaceTraced(traced: TracedText, pattern: RegExp, replace: (found: string) => string): TracedText {
  const { text } = traced;
  const pieces: string[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  for (const { from, to, matched } of partsOf(text, pattern)) {
    const part = text.slice(from, to);
    const piece = matched ? replace(part) : part;
    pieces.push(piece);
    for (let unit = 0; unit < piece.length; unit += 1) {
      starts.push(traced.starts[matched ? from : from + unit] ?? 0);
      ends.push(traced.ends[matched ? to - 1 : from + unit] ?? 0);
    }
  }
  return { text: pieces.join(''), starts, ends };
}

/** The matches of a pattern and what is between them, in order. */
function* partsOf(text: string, pattern: RegExp): Generator<{ from: number; to: number; matched: boolean }> {
  let done = 0;
  for (const { index, 0: found } of text.matchAll(pattern)) {
    yield { from: done, to: index, matched: false };
    done = index + found.length;
    yield { from: index, to: done, matched: true };
  }
  yield { from: done, to: text.length, matched: false };
}
