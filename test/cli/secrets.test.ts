/** Secrets on the command line: from files, encrypted with the current key, and in no output. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startHttpServer, type TestHttpServer } from '../support/http-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { runCli } from './support.ts';

const [oldKey, newKey] = [Buffer.alloc(32, 5).toString('base64'), Buffer.alloc(32, 6).toString('base64')];
const database = useDatabase();
let receiver: TestHttpServer;
let folder: string;

beforeAll(async () => {
  [receiver, folder] = await Promise.all([
    startHttpServer({ answer: () => ({}) }),
    mkdtemp(join(tmpdir(), 'herald-secrets-')),
  ]);
});
afterAll(() => Promise.all([receiver.close(), rm(folder, { recursive: true })]));

const herald = (keys: string, ...args: string[]) =>
  runCli(args, { DATABASE_URL: database.url, HERALD_SECRET_KEY: keys, HERALD_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8' });

async function addEndpoint(...more: string[]): Promise<string> {
  const { code, out, err } = await herald(oldKey, 'endpoints', 'add', `${receiver.url}/in`, '--json', ...more);
  expect({ code, err }).toMatchObject({ code: 0 });
  return (JSON.parse(out) as { id: string }).id;
}

test('the value of a header can come from a file, which the process list does not show', async () => {
  const path = join(folder, 'token');
  await writeFile(path, 'Bearer sekrit-4711\n');
  const id = await addEndpoint('--header-file', `authorization=${path}`, '--header', 'x-team=core');
  const ping = await herald(oldKey, 'endpoints', 'test', id);
  expect(ping).toMatchObject({ code: 0 });
  const [request] = await receiver.waitFor(1);
  expect(request?.headers).toMatchObject({ authorization: 'Bearer sekrit-4711', 'x-team': 'core' });
  const { rows } = await database.pool.query('SELECT e::text AS row FROM herald.endpoint e');
  const shown = await herald(oldKey, 'endpoints', 'show', id, '--table');
  expect([ping.out, shown.out, JSON.stringify(rows)].join('\n')).not.toContain('sekrit');
  expect(await herald(oldKey, 'endpoints', 'add', receiver.url, '--header-file', 'a=/nope')).toEqual({
    code: 2,
    out: '',
    err: 'pg-herald: --header-file: cannot read /nope\n',
  });
});

test('endpoints are encrypted again with the current key, and the old one can be retired', async () => {
  const id = await addEndpoint();
  const count = (await database.pool.query('SELECT FROM herald.endpoint')).rowCount ?? 0;
  const unreadable = await herald(newKey, 'endpoints', 'reseal');
  expect(unreadable).toMatchObject({ code: 1, err: expect.stringMatching(/cannot decrypt .*: add the key that/) });
  const resealed = await herald(`${newKey},${oldKey}`, 'endpoints', 'reseal');
  expect(resealed).toMatchObject({ code: 0, out: `${count} endpoints encrypted again, 0 had the current key\n` });
  expect(await herald(newKey, 'endpoints', 'test', id)).toMatchObject({ code: 0 });
  expect(await herald(oldKey, 'endpoints', 'test', id)).toMatchObject({ code: 2 });
  const { out } = await herald(newKey, 'audit');
  expect(JSON.parse(out)).toContainEqual(
    expect.objectContaining({ action: 'endpoints reseal', detail: expect.objectContaining({ resealed: count }) }),
  );
  expect(resealed.out + out).not.toContain(newKey);
});
