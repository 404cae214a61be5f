/** Follows the pages for operators on a database in use: runs their commands, starts their servers and calls them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeListener } from '../../src/console/index.ts';
import { hasProgram } from '../cli/support.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startHttpServer } from '../support/http-server.ts';
import { startProgram } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { followGuide, type Guide, type GuideOptions } from './support/guide.ts';

const documentedUrl = 'postgres://app@localhost/app';

/** Puts `pg-herald` on the path, as a global install does. */
function installed(folder: string): void {
  const program = join(folder, 'node_modules/pg-herald/dist/cli/main.js');
  writeFileSync(join(folder, 'pg-herald'), `#!/bin/sh\nexec node '${program}' "$@"\n`, { mode: 0o755 });
}

async function withGuide(
  page: string,
  options: (database: TestDatabase) => GuideOptions,
  check: (guide: Guide, database: TestDatabase) => Promise<void>,
): Promise<void> {
  const database = await createTestDatabase();
  try {
    await putTemplates(database.pool, { greeting: greetingFile });
    const { env, replace, ...rest } = options(database);
    const guide = await followGuide(page, {
      prepare: installed,
      env: { DATABASE_URL: database.url, ...env },
      replace: { [documentedUrl]: database.url, ...replace },
      ...rest,
    });
    await check(guide, database).finally(guide.close);
  } finally {
    await database.close();
  }
}

const enqueue = (database: TestDatabase, id: string, more = '') =>
  database.pool.query(`SELECT herald.enqueue('greeting', $1::jsonb, labels => '{"who": "you"}'${more})`, [
    JSON.stringify({ id, email: `${id}@example.com` }),
  ]);

const statuses = async ({ pool }: TestDatabase) =>
  (await pool.query('SELECT recipient_id AS id, status, reason FROM herald.message ORDER BY created_at, id')).rows;

describe('following the page works:', { timeout: 120_000 }, () => {
  test.skipIf(!hasProgram('openssl'))('docs/security.md', async () => {
    await withGuide(
      'docs/security.md',
      () => ({}),
      async ({ transcript }) => {
        expect(transcript).toMatch(/audit\n\[\]\n/);
        expect(transcript).toContain('nothing to delete');
      },
    );
  });

  test('docs/restore.md', async () => {
    const database = await createTestDatabase();
    await putTemplates(database.pool, { greeting: greetingFile });
    await enqueue(database, 'before');
    const { rows } = await database.pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    const guide = await followGuide('docs/restore.md', {
      prepare: installed,
      env: { DATABASE_URL: database.url },
      // There is no terminal for the questions.
      replace: {
        '2026-11-24T09:30:00Z': `${rows[0]?.now.toISOString() ?? ''} --yes`,
        'pg-herald release': 'pg-herald release --yes',
        'pg-herald discard': 'pg-herald discard --yes',
      },
    });
    await guide.close();
    expect(guide.transcript).toMatch(/"recipientId": "before",\s+"status": "held",\s+"reason": "restored"/);
    expect(await statuses(database)).toMatchObject([{ id: 'before', status: 'cancelled' }]);
    await database.close();
  });

  test.skipIf(!hasProgram('openssl'))('docs/webhooks.md', async () => {
    const receiver = await startHttpServer();
    await withGuide(
      'docs/webhooks.md',
      () => ({
        section: 'Endpoints',
        env: { HERALD_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8' },
        replace: {
          'https://hooks.example.com/in': `${receiver.url}/in`,
          ' ID ': (printed) => ` ${/^[0-9a-f-]{36}$/m.exec(printed)?.[0] ?? 'not-printed'} `,
          '--since 2h': '--since 2h --yes',
          remove: 'remove --yes',
        },
      }),
      async ({ transcript }, { pool }) => {
        expect(transcript).toMatch(/HTTP 204 after \d+ ms/);
        expect(receiver.received()).toHaveLength(1);
        expect((await pool.query('SELECT FROM herald.endpoint')).rowCount).toBe(0);
      },
    ).finally(receiver.close);
  });

  test.skipIf(!hasProgram('openssl'))('docs/console.md: on its own, in a server of node:http, in Hono', async () => {
    const [own, node, hono] = await Promise.all([freePort(), freePort(), freePort()]);
    await withGuide(
      'docs/console.md',
      () => ({
        replace: { '/run/secrets/': './', '4780': own, '3000': node, '3001': hono },
        prepare: (folder) => {
          installed(folder);
          mkdirSync(join(folder, 'public'));
          writeFileSync(
            join(folder, 'sessions.ts'),
            `export async function userOf(request: Request) {
  const name = /session=(\\w+)/.exec(request.headers.get('cookie') ?? '')?.[1];
  return name === undefined ? null : { email: name, isOperator: name !== 'ada', mayAct: name === 'grace' };
}
`,
          );
        },
      }),
      async ({ folder }, { url }) => {
        const login = await fetch(`http://127.0.0.1:${own}/`, { headers: { accept: 'text/html' } });
        expect(await login.text()).toContain('Token');
        for (const [file, port] of [
          ['server.ts', node],
          ['app.ts', hono],
        ] as const) {
          const program = startProgram(join(folder, file), { cwd: folder, env: { DATABASE_URL: url } });
          const ask = async (path: string, cookie = '') => {
            const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { accept: 'text/html', cookie } });
            return `${answer.status} ${await answer.text()}`;
          };
          await until(() => ask('/').catch(() => null), { timeoutMs: 20_000, what: `the start of ${file}` });
          expect(await ask('/')).toBe('200 the application');
          for (const path of ['/admin/herald', '/admin/herald/', '/admin/herald/messages'])
            expect(await ask(path, 'session=grace'), `${file} ${path}`).toMatch(/^200 [^]*class="name"[^>]*>grace</);
          expect(await ask('/admin/herald/', 'session=linus')).toContain('read-only');
          expect(await ask('/admin/herald/', 'session=ada')).toMatch(/^40[13] /);
          expect(await ask('/admin/herald/')).toMatch(/^40[13] /);
          await program.kill('SIGKILL');
        }
      },
    );
  });
});

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return String(port);
}

test('the console finds its path below a server that removes the mount path from the URL, as Express does', async () => {
  const seen: string[] = [];
  const listener = nodeListener({
    fetch: async (request) => {
      seen.push(new URL(request.url).pathname);
      return new Response('ok');
    },
  });
  const server = createServer((request, response) => {
    const whole = request.url ?? '';
    listener(Object.assign(request, { originalUrl: whole, url: whole.replace('/admin/herald', '') }), response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/admin/herald/messages`);
  expect(seen).toEqual(['/admin/herald/messages']);
  server.close();
  server.closeAllConnections();
});
