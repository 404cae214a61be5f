/** `pg-herald types`, and how `templates check` compares the file that it wrote. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from './support.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'herald-types-'));
  await save('who');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const save = (label: string) =>
  writeFile(
    join(folder, 'greeting.md'),
    `---\ntitle: Hello {{labels.${label}}}\nexample: { labels: { ${label}: x } }\n---\nHi\n`,
  );
const run = (...args: string[]) => runCli(args, {}, folder);

describe('pg-herald types', () => {
  test('prints the file, or writes it', async () => {
    const printed = await run('types', '.');
    expect(printed).toMatchObject({ code: 0, err: '' });
    expect(printed.out).toContain("labels: ['who']");
    expect(await run('types', '.', '--out', 'templates.gen.ts')).toEqual({
      code: 0,
      out: '',
      err: 'wrote templates.gen.ts\n',
    });
    expect(await readFile(join(folder, 'templates.gen.ts'), 'utf8')).toBe(printed.out);
    expect((await run('types', '.', '--out', 'templates.gen.ts')).err).toBe('templates.gen.ts is up to date\n');
  });

  test('writes nothing if a template is wrong, or the folder of the file does not exist', async () => {
    await writeFile(join(folder, 'wrong.md'), '---\ntitle: "{{labels.}}"\n---\nHi\n');
    const wrong = await run('types', '.', '--out', 'wrong.ts');
    await rm(join(folder, 'wrong.md'));
    expect(wrong).toMatchObject({ code: 1, out: '', err: expect.stringContaining('nothing was written') });
    expect(await run('types', '.', '--out', 'no/such/file.ts')).toEqual({
      code: 2,
      out: '',
      err: 'pg-herald: types: cannot write no/such/file.ts (ENOENT); its folder must exist\n',
    });
  });
});

describe('pg-herald templates check', () => {
  test('refuses a file of types that is out of date, and says how to write it', async () => {
    await run('types', '.', '--out', 'templates.gen.ts');
    expect((await run('templates', 'check', '.')).code).toBe(0);
    await save('whom');
    expect(await run('templates', 'check', '.')).toEqual({
      code: 1,
      out: '',
      err:
        'templates.gen.ts:1:1: error: the types are out of date; run "pg-herald types . --out templates.gen.ts"\n' +
        '1 error\n',
    });
    expect((await run('templates', 'check', '.', '--types', 'elsewhere.ts')).code).toBe(0);
  });
});
