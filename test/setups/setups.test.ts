/**
 * A stranger's first ten minutes: the packed library, installed by npm from the registry into applications of several
 * kinds. Each ends with an email in the catcher of `pg-herald dev` and with what `pg-herald why` says about it.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blocksOf } from '../docs/support/blocks.ts';
import { followGuide, type Guide, type GuideOptions } from '../docs/support/guide.ts';
import { createTokenBox } from '../../src/recipients/token.ts';
import { createTestDatabase } from '../support/database.ts';
import { freePort } from '../support/daemons.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pg-herald-setups-'));
const documentedUrl = 'postgres://app@localhost/app';
let tarball: string;

/** What is in npm's cache is not asked for again. */
const npmSettings = { npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' };

const npm = (cwd: string, ...words: string[]) =>
  execFileSync('npm', words, {
    cwd,
    stdio: 'pipe',
    env: { ...process.env, ...npmSettings, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` },
  });

beforeAll(() => {
  npm(root, 'pack', '--pack-destination', folder);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '');
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The database that `pg-herald dev` started and printed. */
const printedUrl = (printed: string) => /export DATABASE_URL=(\S+)/.exec(printed)?.[1] ?? 'not printed';

async function follow(page: string, options: GuideOptions, check?: (guide: Guide) => Promise<void>): Promise<void> {
  const guide = await followGuide(page, { tarball, ...options, env: { ...npmSettings, ...options.env } });
  try {
    expect(guide.transcript).toMatch(/^sent /m);
    await check?.(guide);
  } finally {
    await guide.close();
  }
}

test('README.md in an empty folder, with npm init', async () => {
  await follow('README.md', { section: 'Your first notification', replace: { [documentedUrl]: printedUrl } });
});

describe('with a database that is there:', () => {
  test('plain pg in an empty folder, with npm init', async () => {
    await withDatabase((url) => follow('docs/plain-pg.md', { replace: { [documentedUrl]: url } }));
  });

  test('plain pg with a database that another team administers', async () => {
    await withDatabase(async (url) => {
      const owner = await restrictedRole(url);
      await follow('docs/plain-pg.md', { replace: { [documentedUrl]: owner.url } });
      await owner.drop();
    });
  });

  test('Next.js', async () => {
    await followFramework('Next.js', (project) => {
      install(project, 'next react react-dom typescript @types/react @types/node @types/pg');
      mkdirSync(join(project, 'app'));
      writeFileSync(
        join(project, 'app/layout.tsx'),
        `export default function Layout({ children }: { children: React.ReactNode }) {
  return <html lang="en"><body>{children}</body></html>;
}
`,
      );
    });
  });

  test('NestJS, whose body parsers run before the console', async () => {
    const prepare = (project: string) => {
      install(
        project,
        '@nestjs/common @nestjs/core @nestjs/platform-express reflect-metadata rxjs typescript @types/node @types/pg',
        { type: 'commonjs' },
      );
      const compilerOptions = {
        ...{ module: 'nodenext', target: 'es2023', strict: true, skipLibCheck: true, types: ['node'] },
        ...{ rootDir: 'src', outDir: 'dist', experimentalDecorators: true, emitDecoratorMetadata: true },
      };
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
    };
    await followFramework('NestJS', prepare, {
      'const app = await NestFactory.create(AppModule);': `const app = await NestFactory.create(AppModule);
  (app as import('@nestjs/platform-express').NestExpressApplication).useBodyParser('urlencoded', { extended: true });`,
    });
  });

  test('Express in CommonJS', async () => {
    await followFramework('Express, in CommonJS', (project) => install(project, 'express', { type: 'commonjs' }));
  });

  test('Fastify', async () => {
    await followFramework('Fastify', (project) => install(project, 'fastify'));
  });

  test('Hono', async () => {
    await followFramework('Hono', (project) => install(project, 'hono @hono/node-server'));
  });
});

async function withDatabase(work: (url: string) => Promise<void>): Promise<void> {
  const database = await createTestDatabase({ empty: true });
  await work(database.url).finally(database.close);
}

/** A role that may do nothing but connect, and owns the schemas that the administrator made for it. */
async function restrictedRole(url: string) {
  const role = `setup_${randomBytes(4).toString('hex')}`;
  const administrator = new Client({ connectionString: url });
  await administrator.connect();
  const { pathname } = new URL(url);
  await administrator.query(`CREATE ROLE ${role} LOGIN PASSWORD 'sesame';
    REVOKE ALL ON DATABASE ${pathname.slice(1)} FROM PUBLIC; GRANT CONNECT ON DATABASE ${pathname.slice(1)} TO ${role}`);
  const page = readFileSync(join(root, 'docs/migrations.md'), 'utf8');
  const schemas = blocksOf(page).find(({ marks }) => marks.get('file') === 'schemas.sql')?.text ?? '';
  await administrator.query(schemas.replaceAll('AUTHORIZATION app', `AUTHORIZATION ${role}`));
  return {
    url: Object.assign(new URL(url), { username: role, password: 'sesame' }).href,
    drop: async () => {
      await administrator.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      await administrator.end();
    },
  };
}

function install(project: string, packages: string, manifest: object = {}): void {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'application', private: true, ...manifest }));
  npm(project, 'install', ...packages.split(' '));
}

async function followFramework(
  section: string,
  prepare: (folder: string) => void,
  replace: Readonly<Record<string, string>> = {},
): Promise<void> {
  const port = String(await freePort());
  await withDatabase((url) =>
    follow(
      'docs/frameworks.md',
      {
        section,
        introduction: true,
        prepare,
        env: { DATABASE_URL: url, NEXT_TELEMETRY_DISABLED: '1' },
        replace: { [documentedUrl]: url, '3000': port, '$(openssl rand -base64 32)': linkKey, ...replace },
      },
      async ({ transcript }) => {
        expect(transcript).toMatch(/<title>.*<\/title>/);
        await submitForm(`http://127.0.0.1:${port}`);
        await unsubscribe(`http://127.0.0.1:${port}`);
        await readInbox(`http://127.0.0.1:${port}`);
      },
    ),
  );
}

const linkKey = Buffer.alloc(32, 7).toString('base64');

/** As a mailbox provider and then as a person: the server must leave the body to the pages. */
async function unsubscribe(origin: string): Promise<void> {
  const subject = { recipientId: 'user-7', tenant: null, template: 'workspace-deleted', method: 'smtp' };
  const url = `${origin}/mail/u/${createTokenBox([linkKey]).seal('unsubscribe', subject)}`;
  const post = async (body: URLSearchParams) => {
    const answer = await fetch(url, { method: 'POST', body, redirect: 'manual' });
    return [answer.status, /<h1>(.*)<\/h1>/.exec(await answer.text())?.[1]];
  };
  expect(await post(new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }))).toEqual([200, 'You are unsubscribed']);
  expect(await post(new URLSearchParams({ action: 'resubscribe' }))).toEqual([200, 'You are subscribed again']);
}

/** Pauses a method as an operator's browser does: the server must leave the form's body to the console. */
async function submitForm(origin: string): Promise<void> {
  const headers = { 'x-operator': 'ada', accept: 'text/html', origin, 'sec-fetch-site': 'same-origin' };
  const page = await fetch(`${origin}/admin/herald/`, { headers });
  const cookie = page.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  const form = /name="form" value="([^"]+)"/.exec(await page.text())?.[1] ?? '';
  const answer = await fetch(`${origin}/admin/herald/methods/smtp/pause`, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...headers, cookie },
    body: new URLSearchParams({ form, why: 'the relay moves' }),
  });
  expect([answer.status, await answer.text()]).toEqual([303, '']);
}

/** Marks as a page does: the server must leave JSON to the inbox, and pass a stream on piece by piece. */
async function readInbox(origin: string): Promise<void> {
  const headers = { 'x-user': 'user-7', 'content-type': 'application/json', origin };
  const page = (await (await fetch(`${origin}/inbox/items`, { headers })).json()) as { token: string; items: object[] };
  expect(page.items).toMatchObject([{ title: 'Workspace "billing-api" was deleted' }]);
  const leaving = new AbortController();
  const stream = await fetch(`${origin}/inbox/stream?after=${page.token}`, { headers, signal: leaving.signal });
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const readUntil = async (wanted: RegExp) => {
    while (!wanted.test(text)) text += (await reader?.read())?.value ?? expect.fail(`the stream ended: ${text}`);
  };
  await readUntil(/event: change\ndata: \{"reader":"[^"]+","items":\[\],"unread":1,/);
  const body = JSON.stringify({ as: 'read', asOf: page.token });
  const marked = await fetch(`${origin}/inbox/mark`, { method: 'POST', headers, body });
  expect(await marked.json()).toMatchObject({ changed: 1, unread: 0, unseen: 0 });
  await readUntil(/"unread":0,"unseen":0\}/);
  leaving.abort();
  const foreign = { ...headers, origin: 'https://evil.example' };
  expect((await fetch(`${origin}/inbox/mark`, { method: 'POST', headers: foreign, body })).status).toBe(403);
}
