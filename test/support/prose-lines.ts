/** The lines that people read in an editor: pages of documentation, without their code, and the comments of SQL. */
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

const sqlFiles = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.sql'))
  .map((name) => join('src', name));

/**
 * Places with more than 120 columns in pages and in comments of SQL, as `docs/enqueue.md:7`. Tables and lines with a
 * web address cannot be broken.
 */
export function wideLinesOfProse(): string[] {
  return [
    ...pages.flatMap((page) =>
      wideLines(page, withoutBlocks).filter(({ line }) => !line.startsWith('|') && !line.includes('](http')),
    ),
    ...sqlFiles.flatMap((file) => wideLines(file).filter(({ line }) => line.trimStart().startsWith('--'))),
  ].map(({ at }) => at);
}

const withoutBlocks = (text: string) => text.replace(/^ *```[^]*?^ *```/gm, (block) => block.replace(/[^\n]/g, ''));

function wideLines(path: string, read = (text: string) => text) {
  return read(readFileSync(join(root, path), 'utf8'))
    .split('\n')
    .map((line, index) => ({ at: `${path}:${index + 1}`, line }))
    .filter(({ line }) => line.length > 120);
}
