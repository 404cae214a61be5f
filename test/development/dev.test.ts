/** `pg-herald dev` as a developer uses it: one command in an empty folder, one page, and nothing left at the end. */
import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Worker } from '../../src/delivery/worker.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { main, runCli } from '../cli/support.ts';
import { greetingFile, testWorker } from '../support/application.ts';
import { createTestDatabase } from '../support/database.ts';
import { startHttpServer } from '../support/http-server.ts';
import { type Program, programs } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const start = programs(afterAll);
let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'herald-dev-'));
  await chmod(project, 0o755);
});
afterAll(() => rm(project, { recursive: true, force: true }));

interface Running {
  readonly program: Program;
  readonly url: string;
  readonly databaseUrl: string;
  readonly smtpPort: number;
}

async function develop(
  env: Record<string, string | undefined> = { DATABASE_URL: undefined },
  ...more: readonly string[]
): Promise<Running> {
  const program = start(main, {
    args: ['dev', '--port', '0', '--smtp-port', '0', ...more],
    cwd: project,
    env: { NO_COLOR: '1', ...env },
  });
  await program.line(/Ctrl-C stops/, { timeoutMs: 60_000 });
  const found = (pattern: RegExp) => pattern.exec(program.stdout())?.[1] ?? '';
  return {
    program,
    url: found(/^ {2}(http:\S+)$/m),
    databaseUrl: env['DATABASE_URL'] ?? found(/^ {2}export DATABASE_URL=(\S+)$/m),
    smtpPort: Number(found(/127\.0\.0\.1:(\d+)\. Ctrl-C/)),
  };
}

const save = (name: string, text: string) => writeFile(join(project, 'notifications', name), text);
const page = async (url: string) => (await fetch(url)).text();

async function send(databaseUrl: string, ...more: string[]): Promise<string> {
  const args = ['send', 'greeting', '--to', 'kim=kim@example.com', '--label', 'who=Zoë', '--json', ...more];
  const { out, err } = await runCli(args, { DATABASE_URL: databaseUrl });
  if (err !== '') throw new Error(err);
  return (JSON.parse(out) as { id: string }[])[0]?.id ?? '';
}

async function startOtherWorker(databaseUrl: string): Promise<Worker> {
  const from = { address: 'app@example.com' };
  const worker = testWorker(databaseUrl, {
    dispatchers: { smtp: smtp({ host: '127.0.0.1', port: 9, tls: 'none', from }) },
  });
  await worker.start();
  return worker;
}

/** Processes of the machine that name the project's folder. */
async function left(): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
  return stdout.split('\n').filter((line) => line.includes(project));
}

describe('in a folder without a database', { timeout: 120_000 }, () => {
  let first: { id: string; databaseUrl: string };

  test('captures what is sent, shows it with its message, and stores templates as they are saved', async () => {
    await writeFile(join(project, 'package.json'), '{ "name": "@acme/invoices" }');
    const { program, url, databaseUrl, smtpPort } = await develop();
    expect(program.stdout()).toMatch(/templates {2}none in notifications yet/);
    await save('greeting.md', greetingFile);
    await program.line(/greeting v1: created/);
    await program.line(/templates +wrote notifications\/templates\.gen\.ts/);
    const types = () => readFile(join(project, 'notifications/templates.gen.ts'), 'utf8');
    expect(await types()).toContain("greeting: templateFromFile({\n    name: 'greeting',\n    labels: ['who'],");

    const id = await send(databaseUrl);
    await program.line(new RegExp(`mail +captured Hello Zoë -> kim@example\\.com {2}${id}`));
    const call = await send(databaseUrl, '--method', 'webhook');
    await program.line(new RegExp(`webhook +captured Hello Zoë -> http://127\\.0\\.0\\.1:\\d+/ {2}${call}`));
    const captured = await page(`${url}captured`);
    expect(captured).toContain(`href="/messages/${id}"`);
    expect(captured).toContain(`href="/messages/${call}"`);
    expect(await page(`${url}messages/${id}?view=captured`)).toContain(`Message-ID: &lt;${id}@`);
    // Emails name the application as package.json does.
    expect(await page(`${url}messages/${id}?view=captured`)).toContain('From: invoices &lt;noreply@');
    // The links of a captured email work on this machine.
    const source = (await page(`${url}messages/${id}?view=captured`)).replace(/=\r?\n/g, '');
    const link = /http:\/\/127\.0\.0\.1:\d+\/u\/[\w-]+/.exec(source)?.[0] ?? url;
    expect(await page(link)).toContain('Unsubscribe from “<bdi>Greetings</bdi>”?');

    await save('greeting.md', greetingFile.replace('title:', 'titel:'));
    await program.line(/error notifications\/greeting\.md:2:\d+: .*titel/);
    expect(await types()).toContain('greeting: templateFromFile');
    await send(databaseUrl);
    await save('greeting.md', greetingFile.replace('Hello', 'Good morning,'));
    await program.line(/greeting v2: new version/);
    await send(databaseUrl);
    await program.line(/captured Good morning, Zoë/);
    expect(program.stdout().match(/captured Hello Zoë/g)).toHaveLength(3);

    const transport = createTransport({ host: '127.0.0.1', port: smtpPort });
    await transport.sendMail({
      ...{ from: 'app@example.com', to: 'zoë@example.com', subject: 'Grüße', text: 'my own', html: '<p>my <b>own</b>' },
      attachments: [{ filename: 'bill.txt', content: 'six euros' }],
    });
    await program.line(/mail +captured Grüße -> zoë@example\.com$/);
    const own = /captured\/[0-9a-f-]+(?=">Grüße)/.exec(await page(`${url}captured`))?.[0] ?? '';
    expect(await page(`${url}${own}?view=text`)).toContain('my own');
    expect(await page(`${url}${own}/frame`)).toContain('<p>my <b>own</b>');
    expect(await page(`${url}${own}?view=files`)).toContain('bill.txt');
    expect(await page(`${url}${own}/files/0`)).toBe('six euros');
    await transport.sendMail({
      from: 'a@example.com',
      to: 'b@example.com',
      subject: 'x\u001b]52;c;cm0=\u0007y',
      text: '',
    });
    await program.line(/mail +captured x.*y -> b@example\.com/);
    expect(program.stdout()).not.toMatch(/[\u001b\u0007]/);

    first = { id, databaseUrl };
    // Ctrl-C in a terminal signals the whole group of dev, in which its PostgreSQL must not be.
    const [postmaster = ''] = (await readFile(join(project, '.pg-herald/postgres/data/postmaster.pid'), 'utf8')).split(
      '\n',
    );
    const groupOf = (pid: string | number) =>
      execFileSync('ps', ['-o', 'pgid=', '-p', String(pid)], { encoding: 'utf8' });
    expect(groupOf(postmaster)).not.toBe(groupOf(program.pid));
    const before = program.stdout();
    expect(await program.kill('SIGINT')).toEqual({ code: 0, signal: null });
    expect([program.stdout().slice(before.length), program.stderr()]).toEqual(['', '']);
    expect(await left()).toEqual([]);
    await expect(fetch(url)).rejects.toThrow();
  });

  test('finds the same database in the same place the next time, and keeps it out of Git', async () => {
    const { program, databaseUrl } = await develop();
    expect(databaseUrl).toBe(first.databaseUrl);
    const { out } = await runCli(['why', first.id], { DATABASE_URL: databaseUrl });
    expect(out).toMatch(/^sent/);
    expect(await readFile(join(project, '.pg-herald/.gitignore'), 'utf8')).toBe('*\n');

    const second = await runCli(['dev', '--port', '0'], { DATABASE_URL: '' }, project);
    expect(second).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^pg-herald: DATABASE_URL: .*is in use; is another "pg-herald dev" running/),
    });
    expect(await program.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await left()).toEqual([]);
  });

  test('leaves nothing running when it is killed', async () => {
    const { program } = await develop();
    await program.kill('SIGKILL');
    await until(async () => (await left()).length === 0, { timeoutMs: 20_000, what: 'the end of the database' });
  });
});

describe('with a database of the developer', { timeout: 120_000 }, () => {
  test('captures calls to stored endpoints in their own formats, and leaves the database alone at the end', async () => {
    const database = await createTestDatabase();
    const key = { HERALD_SECRET_KEY: Buffer.alloc(32, 7).toString('base64') };
    const env = { DATABASE_URL: database.url, ...key };
    await runCli(['endpoints', 'add', 'https://hooks.example.com/in', '--recipient', 'kim'], env);
    await writeFile(join(project, 'routing-key'), 'r'.repeat(32));
    const chats: Readonly<Record<string, readonly [settings: string[], captured: RegExp]>> = {
      slack: [['https://hooks.slack.com/services/T/B/x'], /POST \/slack HTTP.*&quot;blocks&quot;:/s],
      teams: [['https://flow.logic.azure.com/x'], /POST \/teams HTTP.*AdaptiveCard/s],
      discord: [['https://discord.com/api/webhooks/1/x'], /POST \/discord\?wait=true HTTP.*&quot;embeds&quot;:/s],
      pagerduty: [['--secret-file', join(project, 'routing-key')], /POST \/pagerduty HTTP.*&quot;trigger&quot;/s],
      ntfy: [['https://ntfy.sh/builds'], /POST \/ HTTP.*&quot;topic&quot;/s],
    };
    for (const [format, [settings]] of Object.entries(chats))
      await runCli(['endpoints', 'add', ...settings, '--format', format, '--recipient', format], env);
    const { program, url } = await develop(env);
    await save('greeting.md', greetingFile);
    await until(async () => (await database.pool.query('SELECT FROM herald.template')).rowCount);
    for (const [format, [, captured]] of Object.entries(chats)) {
      const { out } = await runCli(
        ['send', 'greeting', '--to', `${format}=k@example.com`, '--label', 'who=Zoë', '--method', 'webhook'],
        env,
      );
      const [{ id: post }] = JSON.parse(out) as [{ id: string }];
      await program.line(new RegExp(`webhook +captured Hello Zoë -> http://127\\.0\\.0\\.1:\\d+/\\S* {2}${post}`));
      const shown = await page(`${url}messages/${post}?view=captured`);
      expect(shown).toMatch(captured);
      expect(shown).not.toContain('x-pg-herald-capture');
    }
    const id = await send(database.url, '--method', 'webhook');
    await program.line(new RegExp(`webhook +captured .* {2}${id}`));
    expect(program.stdout()).not.toContain('export DATABASE_URL');
    const { hostname, port, pathname } = new URL(database.url);
    expect(program.stdout()).toContain(`database   ${pathname.slice(1)} on ${hostname}, port ${port}\n`);
    expect(await program.kill('SIGINT')).toEqual({ code: 0, signal: null });
    expect((await database.pool.query('SELECT DISTINCT status FROM herald.message')).rows).toEqual([
      { status: 'sent' },
    ]);
    await database.close();
  });

  test('refuses one on another machine, because what waits there would not be sent', async () => {
    expect(await runCli(['dev'], { DATABASE_URL: 'postgres://app:topsecret@db.example/app' })).toEqual({
      code: 2,
      out: '',
      err: expect.stringMatching(/^pg-herald: DATABASE_URL: is on db\.example: .* Pass --remote if you want that\n$/),
    });
  });

  test('refuses one that another worker serves, and changes nothing there, unless it is forced to', async () => {
    const database = await createTestDatabase();
    const worker = await startOtherWorker(database.url);
    await database.pool.query(`DELETE FROM herald_meta.migration`);
    const refused = await runCli(['dev'], { DATABASE_URL: database.url }, project);
    expect(refused).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^pg-herald: DATABASE_URL: names a database that 1 other worker serves\..* --force /),
    });
    expect((await database.pool.query('SELECT FROM herald_meta.migration')).rowCount).toBe(0);
    await worker.stop();
    await database.close();
  });

  test('uses one that another worker serves with --force, and names the ports that others have taken', async () => {
    const database = await createTestDatabase();
    const worker = await startOtherWorker(database.url);
    const taken = await startHttpServer();
    const { program } = await develop({ DATABASE_URL: database.url }, '--force', '--smtp-port', String(taken.port));
    expect(program.stdout()).toContain('1 other worker on this database');
    expect(program.stdout()).toMatch(new RegExp(`${taken.port} is taken by another program: --smtp-port is \\d+ this`));
    expect(await program.kill('SIGINT')).toEqual({ code: 0, signal: null });
    await worker.stop();
    await taken.close();
    await database.close();
  });
});
