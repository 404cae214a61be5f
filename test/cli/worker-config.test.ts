/** What a worker of the command line gets from files: variables from .env, and options of its own from --config. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/cli/config.ts';
import { createLogger } from '../../src/cli/logger.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { startProgram } from '../support/processes.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { main, runCli } from './support.ts';

const database = useDatabase({
  templates: { greeting: greetingFile },
  prepare: (pool) => putTemplates(pool, { code: greetingFile.replace('group: Greetings', 'methods: [sms]') }),
});
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'herald-worker-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

const put = async (name: string, text: string) => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

describe('--config', () => {
  test('gives the worker a delivery method of the application', { timeout: 60_000 }, async () => {
    const env = { DATABASE_URL: database.url };
    expect(await runCli(['migrate', '--method', 'sms'], env)).toMatchObject({ code: 0 });
    const config = await put(
      'herald.config.ts',
      `import { appendFileSync } from 'node:fs';
const sms = {
  concurrency: 1, timeoutSeconds: 10, retryDelaysSeconds: [1],
  async dispatch({ content }: { content: { title: string } }) {
    appendFileSync(new URL('sent.txt', import.meta.url), content.title + '\\n');
    return { outcome: 'sent' as const };
  },
};
export default async () => ({ dispatchers: { sms }, name: 'from-file' });`,
    );
    const worker = startProgram(main, { args: ['worker', '--config', config], env: { NO_COLOR: '1', ...env } });
    await until(async () => /worker from-file delivers sms; SIGTERM/.test(worker.stderr()), { timeoutMs: 20_000 });
    const { out } = await runCli(['send', 'code', '--to', 'ada@example.com', '--label', 'who=Ada'], env);
    const [{ id }] = JSON.parse(out) as [{ id: string }];
    await until(async () => (await runCli(['why', id], env)).out.startsWith('sent'), { timeoutMs: 20_000 });
    expect(await worker.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  });

  test.each<[string, string | null, RegExp]>([
    ['missing.ts', null, /--config: cannot read .*missing\.ts/],
    ['none.mjs', 'export const x = 1', /--config: .*none\.mjs has no default export/],
    ['list.mjs', 'export default []', /--config: .*list\.mjs must export the options of a worker as default/],
    ['throws.mjs', 'throw new Error("no token")', /--config: .*throws\.mjs failed: no token/],
    ['empty.mjs', 'export default {}', /HERALD_SMTP_HOST: is not set.*dispatchers of --config/],
    ['bounds.mjs', 'export default { pollSeconds: 0, dispatchers: { sms: {} } }', /pollSeconds: 0 is out of bounds/],
  ])('%s that is not a configuration is refused in one line', async (name, text, message) => {
    const path = text === null ? join(folder, name) : await put(name, text);
    expect(await runCli(['worker', '--config', path], { DATABASE_URL: database.url })).toEqual({
      code: 2,
      out: '',
      err: expect.stringMatching(new RegExp(`^pg-herald: [^\\n]*${message.source}[^\\n]*\\n$`)),
    });
  });
});

describe('.env', () => {
  test('in the folder of the command is read, and the environment has precedence', async () => {
    await put('.env', `DATABASE_URL=${database.url}\nHERALD_OPERATOR="ada of .env"\n`);
    expect(await runCli(['pause', '--why', 'x'], {}, folder)).toMatchObject({ code: 0 });
    expect(await runCli(['resume'], { HERALD_OPERATOR: 'grace' }, folder)).toMatchObject({ code: 0 });
    const { out } = await runCli(['audit', '--limit', '2'], {}, folder);
    expect((JSON.parse(out) as { actor: string }[]).map(({ actor }) => actor)).toEqual(['grace', 'ada of .env']);
    expect(await runCli(['status'], { DATABASE_URL: 'postgres://127.0.0.1:1/x' }, folder)).toMatchObject({ code: 2 });
  });

  test('that cannot be read is one line', async () => {
    const other = await mkdtemp(join(folder, 'other-'));
    await writeFile(join(other, '.env'), '');
    await chmod(join(other, '.env'), 0o000);
    const { code, err } = await runCli(['status'], {}, other);
    // Root reads everything.
    expect(err).toMatch(
      process.getuid?.() === 0 ? /^pg-herald: DATABASE_URL: is not set/ : /^pg-herald: \.env: cannot be read/,
    );
    expect(code).toBe(2);
  });
});

test('every setting that is missing or wrong is named at once', () => {
  const environment = {
    HERALD_SMTP_HOST: 'relay.example',
    HERALD_SMTP_USER: 'acme',
    HERALD_SMTP_PORT: '99999',
    HERALD_WEBHOOK_URL: 'https://hooks.example',
    HERALD_LOG_LEVEL: 'loud',
  };
  const names = ['DATABASE_URL', 'SMTP_PORT', 'SMTP_PASSWORD', 'SMTP_FROM', 'WEBHOOK_SECRET', 'LOG_LEVEL'];
  for (const name of names) expect(() => readConfig(undefined, environment)).toThrow(new RegExp(`${name}: `));
  expect(() => readConfig(undefined, environment)).toThrow(/^DATABASE_URL: is not set[^\n]+$/);
});

test('the log is for people in a terminal, and for programs elsewhere', () => {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const fields = { method: 'smtp', reason: 'tls\u001b[2J', n: 3 };
  createLogger('info', { isTerminal: true, write }).warn(fields, 'method paused');
  createLogger('info', { isTerminal: true, write }).debug({}, 'unimportant');
  createLogger('info', { isTerminal: false, write }).info(fields, 'sent');
  // oxlint-disable-next-line no-control-regex
  const plain = lines.map((line) => line.replace(/\u001b\[\d+m/g, ''));
  expect(plain[0]).toMatch(/^\d\d:\d\d:\d\d warn {2}method paused {2}method=smtp reason=tls\\u001b\[2J n=3\n$/);
  expect(JSON.parse(plain[1] ?? '')).toMatchObject({ level: 30, msg: 'sent', method: 'smtp', n: 3 });
  expect(lines).toHaveLength(2);
});
