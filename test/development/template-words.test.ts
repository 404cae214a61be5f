/** `pg-herald dev` stores languages and words of templates when they are saved. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { watchTemplates } from '../../src/development/template-watch.ts';
import { readTemplateHistory } from '../../src/templates/history.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase();

test('a saved language is a new version, and so are words in a folder that appears later', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pg-herald-watch-'));
  await writeFile(join(folder, 'a.md'), '---\ntitle: Hello\n---\nHi\n');
  const errors: unknown[] = [];
  const watched = { folder, typesFile: null };
  const watch = await watchTemplates(database.pool, watched, {
    onReport: () => undefined,
    onError: (error) => errors.push(error),
  });
  const newest = async () => (await readTemplateHistory(database.pool, 'a'))?.versions[0];
  try {
    expect(await newest()).toMatchObject({ version: 1, texts: null });
    await writeFile(join(folder, 'a.de.md'), '---\ntitle: Hallo\n---\nTag\n');
    await until(async () => ((await newest())?.texts ?? []).length === 1);
    await mkdir(join(folder, 'locales'));
    await writeFile(join(folder, 'locales', 'de.json'), '{ "unsubscribe": "Weg" }');
    const word = async () => (await newest())?.texts?.[0]?.words?.['unsubscribe'];
    await until(async () => (await word()) === 'Weg');
    await writeFile(join(folder, 'locales', 'de.json'), '{ "unsubscribe": "Fort" }');
    await until(async () => (await word()) === 'Fort');
    expect(errors).toEqual([]);
  } finally {
    await watch.close();
    await rm(folder, { recursive: true });
  }
});
