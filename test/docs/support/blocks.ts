/**
 * The fenced blocks of a page. The info string behind the language says what a test does with a block, where readers of
 * the rendered page do not see it:
 *
 *   sh                       run, in the folder and with the variables that the blocks before it left behind
 *   sh terminal              run in a terminal, where tables are printed and not JSON
 *   sh eventually            run again until the output that the page shows is there: a worker is at it
 *   sh after=PATH            run as soon as this file is there: what runs in the background writes it
 *   sh background until=TEXT started and left running; the next block begins when a line holds TEXT
 *   LANGUAGE file=PATH       written to this file; `ts` files are compiled at the end
 *   LANGUAGE append=PATH     added to this file
 *   ts file=PATH run         written, then run with Node
 *   text output              must be what the block before it printed: every line, in this order; "…" stands for anything
 *   LANGUAGE skip=REASON     for readers only
 */
import MarkdownIt from 'markdown-it';

export interface Block {
  readonly language: string;
  readonly text: string;
  /** In the page, from 1. */
  readonly line: number;
  /** The headings that it stands under, outermost first. */
  readonly sections: readonly string[];
  /** Words of the info string behind the language: `file=a.ts` or a bare `run` (its value is empty). */
  readonly marks: ReadonlyMap<string, string>;
}

export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  const sections: string[] = [];
  const tokens = new MarkdownIt().parse(page, {});
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'heading_open')
      sections.splice(Number(token.tag.slice(1)) - 1, 9, tokens[index + 1]?.content ?? '');
    if (token.type !== 'fence') continue;
    const [language = '', ...words] = token.info.match(/[^\s=]+(="[^"]*"|=\S+)?/g) ?? [];
    const marks = new Map(
      words.map((word) => [
        word.split('=')[0] ?? '',
        word.slice(word.indexOf('=') + 1 || word.length).replace(/^"|"$/g, ''),
      ]),
    );
    blocks.push({
      language,
      marks,
      text: token.content,
      line: (token.map?.[0] ?? 0) + 1,
      sections: sections.filter(Boolean),
    });
  }
  return blocks;
}
