/** `send`: secret labels are encrypted or refused, and nothing is lost of what a notification can have. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { runCli } from './support.ts';

const codeFile = greetingFile.replace('---\n', '---\nsecrets: [who]\n');
const database = useDatabase({ templates: { greeting: greetingFile, code: codeFile } });
const key = randomBytes(32).toString('base64');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'herald-send-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const send = (args: readonly string[], env: Record<string, string> = {}) =>
  runCli(['send', ...args], { DATABASE_URL: database.url, HERALD_OPERATOR: 'grace', ...env });
const stored = async () => JSON.stringify((await database.pool.query('SELECT * FROM herald.message')).rows);

describe('a secret label', () => {
  test('is encrypted with the key of the environment', async () => {
    const { code, out } = await send(['code', '--to', 'ada@example.com', '--label', 'who=hunter2'], {
      HERALD_SECRET_KEY: key,
    });
    expect({ code, messages: JSON.parse(out) as object[] }).toMatchObject({
      code: 0,
      messages: [{ status: 'pending' }],
    });
    expect(await stored()).toContain('herald1.');
    expect(await stored()).not.toContain('hunter2');
  });

  test('is refused without a key, in one line that does not repeat it', async () => {
    const before = await stored();
    const { code, err } = await send(['code', '--to', 'ada@example.com', '--label', 'who=hunter2']);
    expect({ code, err }).toEqual({
      code: 2,
      err: 'pg-herald: HERALD_SECRET_KEY: is not set, and the label "who" of code is secret: set the key that the workers have\n',
    });
    expect(await stored()).toBe(before);
  });

  test('can come from a file, which the process list does not show', async () => {
    writeFileSync(join(folder, 'who'), 'Zoë\n');
    const { code } = await send(['greeting', '--to', 'f=f@example.com', '--label-file', `who=${join(folder, 'who')}`]);
    expect(code).toBe(0);
    const shown = await runCli(['messages', 'list', '--where', 'recipient=f'], { DATABASE_URL: database.url });
    const [{ id }] = JSON.parse(shown.out) as [{ id: string }];
    const { out } = await runCli(['messages', 'show', id], { DATABASE_URL: database.url });
    expect(JSON.parse(out)).toMatchObject({ labels: { who: 'Zoë' }, createdBy: 'cli grace' });
    expect(await send(['greeting', '--to', 'a@example.com', '--label-file', 'who=/nope'])).toMatchObject({
      code: 2,
      err: 'pg-herald: --label-file: cannot read /nope\n',
    });
  });
});

test('a notification by hand has a time, a tenant, a language, a zone and files', async () => {
  writeFileSync(join(folder, 'report.pdf'), '%PDF');
  const options = ['--label', 'who=x', '--tenant', 'acme', '--locale', 'de-AT', '--time-zone', 'Europe/Vienna'];
  const file = ['--attach', `application/pdf=${join(folder, 'report.pdf')}`];
  const { code } = await send(['greeting', '--to', 't=t@example.com', ...options, ...file, '--delay', '2h']);
  expect(code).toBe(0);
  const { rows } = await database.pool.query(
    `SELECT tenant, recipient, attachments, send_at > now() + interval '119 minutes' AS later
     FROM herald.message WHERE recipient_id = 't'`,
  );
  expect(rows).toMatchObject([
    { tenant: 'acme', recipient: { locale: 'de-AT', timeZone: 'Europe/Vienna' }, attachments: 1, later: true },
  ]);
  for (const wrong of [
    ['--send-at', '2026-11-24'],
    ['--attach', 'report.pdf'],
    ['--delay', 'soon'],
  ])
    expect(await send(['greeting', '--to', 'a@example.com', ...wrong])).toMatchObject({
      code: 2,
      err: expect.stringMatching(new RegExp(`^pg-herald: ${wrong[0]}: [^\\n]+\\n$`)),
    });
});
