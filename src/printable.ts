/** Makes text that others wrote safe to print and to store: in a terminal no character of it can steer or reorder. */

// C0 and DEL, C1, line and paragraph separators, and the controls of bidirectional text (Unicode UAX #9).
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** One line: every control character, line breaks and tabs included, becomes an escape such as `\u001b`. */
export function printable(text: string): string {
  return text.replace(controls, escaped);
}

/** The same for a text of several lines: line feeds and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(controls, (character) => (/[\n\t]/.test(character) ? character : escaped(character)));
}

/** JSON in which every control character is an escape, also those that JSON allows to stand as they are. */
export function printableJson(value: unknown, indent?: number): string {
  return printableLines(JSON.stringify(value, null, indent));
}

/**
 * One line that Postgres can store, of at most `most` characters: jsonb refuses NUL and half of a surrogate pair, which
 * a reply or a cut may leave.
 */
export function storable(text: string, most: number): string {
  return text
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .slice(0, most)
    .toWellFormed();
}
