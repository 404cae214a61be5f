/** The follower of guides itself: what it accepts, and what it refuses. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { blocksOf } from './support/blocks.ts';
import { compare, followGuide } from './support/guide.ts';

const folder = fileURLToPath(new URL('pages/', import.meta.url));
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function follow(page: string): Promise<string> {
  writeFileSync(`${folder}page.md`, page);
  const guide = await followGuide('test/docs/pages/page.md');
  await guide.close();
  return guide.transcript;
}

const sh = (text: string, marks = '') => `\`\`\`sh${marks}\n${text}\n\`\`\`\n`;

test('finds blocks with their marks, their line and their headings', () => {
  const [block] = blocksOf('# A\n\n## B\n\n```sh background until="it is up" file=a/b.sh\nx\n```\n');
  expect(block).toMatchObject({ language: 'sh', text: 'x\n', line: 5, sections: ['A', 'B'] });
  expect(Object.fromEntries(block?.marks ?? [])).toEqual({ background: '', until: 'it is up', file: 'a/b.sh' });
});

test('a block continues in the folder and with the variables of the block before it', { timeout: 60_000 }, async () => {
  const transcript = await follow(`${sh('export A=1\nmkdir sub && cd sub')}${sh('echo "$A in ${PWD##*/}"')}`);
  expect(transcript).toMatch(/1 in sub\n$/);
});

test.each<[string, string, RegExp]>([
  ['a command that fails', sh('true') + sh('echo no; exit 3'), /page\.md:4: exit code 3\nno/],
  ['a command in the middle that fails', sh('false\ntrue'), /exit code 1/],
  ['a shown line that was not printed', `${sh('echo one')}\`\`\`text output\ntwo\n\`\`\`\n`, /the page shows "two"/],
  [
    'TypeScript that does not compile',
    '```ts file=a.ts\nconst a: number = "x";\nexport {};\n```\n',
    /does not compile:\na\.ts\(1,7\)/,
  ],
  ['a program that ends too soon', sh('echo bye', ' background until=ready'), /ended with 0\nbye/],
  ['a block that would not be run', '```yaml\na: 1\n```\n', /a block in "yaml" can only be skipped/],
  ['a package that is not there', sh('npm install left-pad-of-nobody'), /left-pad-of-nobody is not installed/],
])('refuses %s', { timeout: 60_000 }, async (_, page, text) => {
  await expect(follow(page)).rejects.toThrow(text);
});

test('shown lines must come in order, and dots match anything', () => {
  expect(() => compare('a …\nc', 'a b\nx\nc\n')).not.toThrow();
  expect(() => compare('c\na', 'a\nc\n')).toThrow('shows "a"');
  expect(() => compare('a.c', 'abc')).toThrow();
});
