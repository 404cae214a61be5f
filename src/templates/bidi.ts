/**
 * Values beside text of the other direction. An isolate keeps the order of what stands around a value, whatever its
 * letters are (Unicode UAX #9, sections 2.4 and 2.7). A value that runs as its text does needs none, so that an English
 * email with English values holds no invisible character.
 */
import type { Direction } from './locale.ts';

/** Letters, marks and controls of the scripts that run from right to left. */
const rightToLeft = /[\u0590-\u08ff\u200f\u061c\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** Letters of those scripts and spaces: their order cannot change in a text of their direction. */
const letters = /^[\u05d0-\u05f4\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06fc\ufb1d-\ufdfb\ufe70-\ufefc\s]*$/;
/** Digits alone, Arabic and Persian ones as well. */
const digits = /^[\d\u0660-\u0669\u06f0-\u06f9]+$/;

/** Whether a value needs an isolate in a text of this direction. */
export function needsIsolate(value: string, direction: Direction): boolean {
  return direction === 'ltr' ? rightToLeft.test(value) : !letters.test(value) && !digits.test(value);
}

/** First Strong Isolate: the value's first letter decides its direction. */
const firstStrongIsolate = '\u2068';
const popDirectionalIsolate = '\u2069';

/** Puts a value of plain text into an isolate if it needs one. */
export function isolated(value: string, direction: Direction): string {
  return needsIsolate(value, direction) ? firstStrongIsolate + value + popDirectionalIsolate : value;
}

/** Puts a value of HTML into an isolate if it needs one. `html` is the escaped value. */
export function isolatedHtml(value: string, html: string, direction: Direction): string {
  return needsIsolate(value, direction) ? `<bdi>${html}</bdi>` : html;
}
