/** Escapes values for the contexts in which they are inserted. Pure string functions. */

/**
 * Returns one line of text without control characters. Line breaks, tabs and runs of spaces become one space;
 * bidirectional overrides and isolates, which could reorder the text around them, are removed; lone surrogates become
 * U+FFFD.
 */
export function oneLine(value: string): string {
  if (!unusual.test(value)) return value;
  return value
    .toWellFormed()
    .replace(invisible, '')
    .replace(/[\s\u0085]+/g, ' ');
}

// The common case, printable ASCII without double spaces, takes one test.
const unusual = /[^ -~]| {2}/;
// Control characters except white space, the BOM, and bidirectional controls except the marks U+200E and U+200F.
const invisible = /(?![\s\u0085])\p{Cc}|[\ufeff\u202a-\u202e\u2066-\u2069]/gu;

/** Cuts a text to `limit` characters (code points). A text that was cut ends in an ellipsis. */
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
 * For Markdown text: puts a backslash before every character that CommonMark, GFM or a chat platform could read as
 * markup, including bare links and mentions. Expects one line.
 */
export function escapeMarkdown(line: string): string {
  return line.replace(/[\\`*_{}[\]()<>#+\-.!|~&$^]|^=|:(?=\/)|(?<![\p{L}\p{N}._-])@/gu, '\\$&');
}

/** For Markdown attributes (link titles), which any quote or bracket may end. */
export function escapeMarkdownAttribute(line: string): string {
  return line.replace(/[!-/:-@[-`{-~]/g, '\\$&');
}

/** For Markdown code spans and blocks, which have no escapes: characters that could end them are replaced. */
export function escapeMarkdownCode(line: string): string {
  return line.replace(/~{3,}|`/g, "'");
}
