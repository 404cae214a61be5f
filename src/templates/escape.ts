/** Makes values harmless in the places where they are inserted. Pure string functions. */

/**
 * One line of text without control characters: line breaks, tabs and runs of spaces become one space; what could
 * reorder the text around it on screen (bidirectional overrides and isolates) goes; broken surrogates are mended.
 */
export function oneLine(value: string): string {
  if (!unusual.test(value)) return value;
  return value
    .toWellFormed()
    .replace(invisible, '')
    .replace(/[\s\u0085]+/g, ' ');
}

// The common case, printable ASCII without double spaces, costs one look.
const unusual = /[^ -~]| {2}/;
// Control characters except white space, BOM, bidirectional controls (U+200E and U+200F are harmless marks).
const invisible = /(?![\s\u0085])\p{Cc}|[\ufeff\u202a-\u202e\u2066-\u2069]/gu;

/** Cuts to `limit` characters (code points), ending in an ellipsis when something was cut. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const characters = Array.from(text);
  return characters.length <= limit
    ? text
    : `${characters
        .slice(0, limit - 1)
        .join('')
        .trimEnd()}…`;
}

const htmlEntities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** For HTML text and double-quoted attributes. */
export function escapeHtml(text: string): string {
  return /[&<>"]/.test(text) ? text.replace(/[&<>"]/g, (character) => htmlEntities[character] ?? character) : text;
}

/**
 * For Markdown text: a backslash before everything that CommonMark, GFM or a chat platform could take as markup, at the
 * start of a line or within it, bare links and mentions included. Expects one line.
 */
export function escapeMarkdown(line: string): string {
  return line.replace(/[\\`*_{}[\]()<>#+\-.!|~&$^]|^=|:(?=\/)|(?<![\p{L}\p{N}._-])@/gu, '\\$&');
}

/** For Markdown attributes (link titles), where any quote or bracket may end the value. */
export function escapeMarkdownAttribute(line: string): string {
  return line.replace(/[!-/:-@[-`{-~]/g, '\\$&');
}

/** For Markdown code spans and blocks, in which nothing can be escaped: what could end them is replaced. */
export function escapeMarkdownCode(line: string): string {
  return line.replace(/~{3,}|`/g, "'");
}
