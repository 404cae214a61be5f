/**
 * Builds the documentation site from the Markdown files of the repository into `docs/site/dist`, or with `--api` only the API
 * reference into `docs/api`. Fails for a dead link, and for a type that the public API uses but does not export.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const site = fileURLToPath(new URL('.', import.meta.url));
const root = join(site, '../..');
const source = join(site, '.source');

const run = (command: string, ...words: string[]) => execFileSync(command, words, { cwd: site, stdio: 'inherit' });
const tool = (path: string, ...words: string[]) => run(process.execPath, join(site, 'node_modules', path), ...words);

/** Where a file of the repository is on the site: README.md is the front page of its folder. */
const placeOf = (file: string) => (file === 'LICENSE' ? 'LICENSE.md' : file.replace(/(^|\/)README\.md$/, '$1index.md'));

function stagePage(file: string): void {
  const staged = join(source, placeOf(file));
  mkdirSync(dirname(staged), { recursive: true });
  writeFileSync(staged, rewriteLinks(readFileSync(join(root, file), 'utf8'), file));
}

/** Links to pages follow them; files that are not pages (schemas, pictures, rules) are served as they are. */
function rewriteLinks(text: string, page: string): string {
  return text.replace(/(\]\(|(?:src|srcset)=")([^)\s"#]+)/g, (whole, before: string, link: string) => {
    const file = join(dirname(page), link);
    if (/^[a-z]+:/.test(link) || !existsSync(join(root, file))) return whole;
    if (placeOf(file).endsWith('.md')) return `${before}./${relative(dirname(page), placeOf(file))}`;
    const copy = join(source, 'public', file);
    mkdirSync(dirname(copy), { recursive: true });
    cpSync(join(root, file), copy);
    return `${before}/${file}`;
  });
}

if (!existsSync(join(site, 'node_modules/vitepress'))) run('npm', 'ci', '--no-audit', '--no-fund', '--silent');
rmSync(join(root, 'docs/api'), { recursive: true, force: true });
tool('typedoc/bin/typedoc');
if (!process.argv.includes('--api')) {
  rmSync(source, { recursive: true, force: true });
  for (const page of ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE']) stagePage(page);
  for (const page of readdirSync(join(root, 'docs'))) if (page.endsWith('.md')) stagePage(`docs/${page}`);
  cpSync(join(root, 'docs/api'), join(source, 'docs/api'), { recursive: true });
  tool('vitepress/bin/vitepress.js', 'build', '.');
}
