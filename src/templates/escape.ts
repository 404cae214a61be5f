/** Escapes values for the contexts in which they are inserted. Pure string functions. */

/**
 * Returns one line of text without control characters. Line breaks, tabs and runs of spaces become one space; other
 * kinds of space stay. Bidirectional embeddings and overrides, which could reorder the text around them, are removed,
 * and isolates are closed. Lone surrogates become U+FFFD.
 */
export function oneLine(value: string): string {
  if (!unusual.test(value)) return value;
  return closedIsolates(value.toWellFormed().replace(invisible, '')).replace(/[\t-\r \u0085\u2028\u2029]+/g, ' ');
}

/**
 * Returns a text for a code block: like `oneLine`, but with its line breaks, tabs and spaces, and without blank lines
 * around it.
 */
export function codeText(value: string): string {
  return closedIsolates(value.toWellFormed().replace(invisible, ''))
    .replace(/\r\n|[\r\u0085\u2028\u2029]/g, '\n')
    .replace(/[\v\f]/g, ' ')
    .replace(/^(?:[ \t]*\n)+/, '')
    .trimEnd();
}

// The common case, printable ASCII without double spaces, takes one test.
const unusual = /[^ -~]| {2}/;
// Control characters except white space, the BOM, and bidirectional embeddings and overrides.
const invisible = /(?![\s\u0085])\p{Cc}|[\ufeff\u202a-\u202e]/gu;

/** An isolate keeps a name in its own direction. One that is not closed would change the text after the value. */
export function closedIsolates(text: string): string {
  if (!/[\u2066-\u2069]/.test(text)) return text;
  let open = 0;
  const closed = text.replace(/[\u2066-\u2069]/g, (control) => {
    if (control !== '\u2069') open += 1;
    else if (open === 0) return '';
    else open -= 1;
    return control;
  });
  return closed + '\u2069'.repeat(open);
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Cuts a text to `limit` characters (code points), never inside of an emoji or a letter with its accents. A text that
 * was cut ends in an ellipsis.
 */
export function cut(text: string, limit: number): string {
  if (text.length <= limit || Array.from(text).length <= limit) return text;
  let length = 0;
  let end = 0;
  for (const { segment, index } of graphemes.segment(text)) {
    length += Array.from(segment).length;
    if (length > limit - 1) break;
    end = index + segment.length;
  }
  return `${text.slice(0, end).trimEnd()}…`;
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

/**
 * For code spans in a table, whose cells end at a `|`. GitHub reads `\\|` as an escaped backslash and the end of the
 * cell, other parsers read it as an escaped `|`; an odd number of backslashes is safe in all of them.
 */
export function escapeMarkdownTableCode(line: string): string {
  return escapeMarkdownCode(line).replace(/(\\*)\|/g, '$1$1\\|');
}
