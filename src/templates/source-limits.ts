/**
 * Limits of a source text, checked before Handlebars parses it: its parser takes minutes for deeply nested input. The
 * scan is linear and needs to know only where mustaches, blocks and parentheses begin and end.
 */
import type { SyntaxProblem } from './syntax.ts';

/** Depth of blocks within each other; every `{{else if}}` of a chain counts as one. */
const maximumBlockDepth = 100;
/** Depth of helpers within helpers. */
const maximumHelperDepth = 20;
/** Mustaches of one text. */
const maximumMustaches = 10_000;
/** Characters of one mustache that is not a comment. */
const maximumMustacheLength = 4_096;

/** Returns the first limit that a text exceeds, or null. */
export function limitProblem(source: string): SyntaxProblem | null {
  const scan = new Scan(source);
  const message = scan.run();
  return message === null ? null : { ...positionAt(source, scan.at), message };
}

class Scan {
  /** Offset of the mustache that is being looked at. */
  at = 0;
  readonly #source: string;
  /** For each open block, how many levels it adds. */
  readonly #blocks: number[] = [];
  #depth = 0;
  #mustaches = 0;

  constructor(source: string) {
    this.#source = source;
  }

  run(): string | null {
    for (let from = 0; ; ) {
      const start = this.#source.indexOf('{{', from);
      if (start < 0) return null;
      const escaped = this.#source[start - 1] === '\\';
      const end = escaped ? start + 2 : this.#endOf(start);
      this.at = start;
      const problem = escaped ? null : this.#mustache(this.#source.slice(start, end));
      if (problem !== null) return problem;
      from = end;
    }
  }

  /** A comment may contain whole mustaches, so it ends where it says so. */
  #endOf(start: number): number {
    const head = this.#source.slice(start, start + 6);
    const longComment = /^\{\{~?!--/.test(head);
    const end = longComment ? this.#endOfComment(start + 5) : this.#source.indexOf('}}', start);
    return end < 0 ? this.#source.length : end + 2;
  }

  #endOfComment(from: number): number {
    const dashes = this.#source.indexOf('--}}', from);
    const tilde = this.#source.indexOf('--~}}', from);
    if (dashes < 0) return tilde < 0 ? tilde : tilde + 3;
    return tilde >= 0 && tilde < dashes ? tilde + 3 : dashes + 2;
  }

  #mustache(text: string): string | null {
    if (/^\{\{~?!/.test(text)) return null;
    this.#mustaches += 1;
    if (this.#mustaches > maximumMustaches) return `more than ${maximumMustaches} placeholders and blocks in one text`;
    if (text.length > maximumMustacheLength) return `this is longer than ${maximumMustacheLength} characters`;
    this.#count(/^\{\{~?\s*(#|\/|\^|else\s+\w)?/.exec(text)?.[1] ?? '');
    if (this.#depth > maximumBlockDepth) return `blocks are nested more than ${maximumBlockDepth} deep`;
    if (helperDepth(text) > maximumHelperDepth) return `helpers are nested more than ${maximumHelperDepth} deep`;
    return null;
  }

  #count(opening: string): void {
    if (opening === '/') this.#depth -= this.#blocks.pop() ?? 0;
    else if (opening === '#') {
      this.#blocks.push(1);
      this.#depth += 1;
    } else if (opening !== '') {
      this.#blocks.push((this.#blocks.pop() ?? 0) + 1);
      this.#depth += 1;
    }
  }
}

function helperDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if (character === '(') deepest = Math.max(deepest, ++depth);
    else if (character === ')') depth -= 1;
  }
  return deepest;
}

function positionAt(source: string, offset: number): { line: number; column: number } {
  const before = source.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
