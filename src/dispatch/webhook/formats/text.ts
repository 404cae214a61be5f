/**
 * Shortens texts between code points, measured as they are written, so that no escape sequence is cut in half. Pure.
 */

/** The bounds of a text. */
export interface Fit {
  /** In the unit of `measure`. */
  readonly max: number;
  /** Writes one code point in the markup of the service. Default: unchanged. */
  readonly escape?: (codePoint: string) => string;
  /** Default: UTF-16 units, which are never fewer than what a service counts as characters. */
  readonly measure?: (text: string) => number;
  /** Written, unescaped, where the text was shortened. Default `…`. */
  readonly ending?: string;
}

/** The escaped text, or as much of it as fits before the ending. Lone surrogates become U+FFFD. */
export function fit(text: string, { max, escape = same, measure = utf16Length, ending = '…' }: Fit): string {
  let whole = '';
  let used = 0;
  let cut = '';
  const room = max - measure(ending);
  for (const codePoint of text.toWellFormed()) {
    const piece = escape(codePoint);
    used += measure(piece);
    if (used > max) return room < 0 ? '' : cut + ending;
    whole += piece;
    if (used <= room) cut = whole;
  }
  return whole;
}

/** Bytes of the text in UTF-8. */
export const utf8Length = (text: string): number => Buffer.byteLength(text, 'utf8');

/** Removes what would reorder or hide the text around it: bidirectional overrides and control characters. */
export function plain(text: string): string {
  return text.replace(/[\u202a-\u202e\u2066-\u2069]|(?![\n\t])\p{Cc}/gu, '');
}

/** One line of `plain` text. */
export function oneLine(text: string): string {
  return plain(text.replace(/\s+/g, ' ')).trim();
}

/** A link's target with the characters that could end it early percent-encoded. */
export function safeUrl(url: string): string {
  return url.replace(/[\s<>|()[\]"'\\`]/gu, (character) => {
    const encoded = encodeURIComponent(character);
    return encoded === character ? `%${character.charCodeAt(0).toString(16).toUpperCase()}` : encoded;
  });
}

const same = (text: string): string => text;
const utf16Length = (text: string): number => text.length;
