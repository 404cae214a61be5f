/** The lines that people read in an editor: pages of documentation, without their code, and SQL. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The Markdown pages at the root and in docs/, as paths from the root. */
export const pages = ['.', 'docs'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

/** Places with more than 120 columns, as `docs/enqueue.md:7`. Tables and lines with a web address cannot be broken. */
export function wideLinesOfProse(): string[] {
  return pages
    .flatMap((page) => {
      const text = readFileSync(join(root, page), 'utf8').replace(/^ *```[^]*?^ *```/gm, (block) =>
        block.replace(/[^\n]/g, ''),
      );
      return wideLines(page, text).filter(({ line }) => !line.startsWith('|') && !line.includes('](http'));
    })
    .map(({ at }) => at);
}

function wideLines(path: string, text: string) {
  return text
    .split('\n')
    .map((line, index) => ({ at: `${path}:${index + 1}`, line }))
    .filter(({ line }) => line.length > 120);
}
