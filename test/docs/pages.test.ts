/** No page shows what was never run: a test follows each block, or this file names the place that runs it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, test } from 'vitest';
import { reasons } from '../../src/vocabulary.ts';
import { secret } from '../dispatch/support.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { pages } from '../support/prose-lines.ts';
import { type Block, blocksOf } from './support/blocks.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const texts = new Map(pages.map((page) => [page, readFileSync(root + page, 'utf8')]));
const blocks = new Map([...texts].map(([page, text]) => [page, blocksOf(text)]));

/** Pages that the tests of guides, operating and production follow; of some pages one section. cli/manual compares docs/cli.md; setups follows docs/frameworks.md, inbox-client/browser docs/inbox-client.md. */
const followed: Readonly<Record<string, string | null>> = {
  'README.md': 'Your first notification',
  'docs/drizzle.md': null,
  'docs/plain-pg.md': null,
  'docs/testing.md': null,
  'docs/from-a-trigger.md': null,
  'docs/templates.md': null,
  'docs/tenants.md': null,
  'docs/languages.md': null,
  'docs/enqueue.md': null,
  'docs/worker.md': null,
  'docs/migrations.md': null,
  'docs/unsubscribing.md': null,
  'docs/guards.md': null,
  'docs/quiet-hours.md': null,
  'docs/bounces.md': null,
  'docs/escalation.md': null,
  'docs/inbox.md': null,
  'docs/inbox-client.md': null,
  'docs/writing-a-dispatcher.md': null,
  'docs/operating-from-code.md': null,
  'docs/production.md': null,
  'docs/upgrading.md': null,
  'docs/security.md': null,
  'docs/restore.md': null,
  'docs/console.md': null,
  'docs/webhooks.md': 'Endpoints',
  'docs/cli.md': null,
  'docs/frameworks.md': null,
};

/** The first line of each other block, and the place that runs it. */
const elsewhere: Readonly<Record<string, string>> = {
  "enqueue(tx)   validate -> one call of the SQL function herald.enqueue: version, preferences,     in the caller's":
    'a picture',
  '            enqueue                 begin                  settle': 'a picture',
  '            enqueue               begin                settle': 'a picture',
  'npm ci': 'a checkout has done it; .ci/run runs the demo',
  'npm test': '.ci/run',
  'npx vitest run test/dispatch/smtp': '.ci/run runs all of them',
  'Pause a sender after three equal refusals': 'an example of words',
  "import { Webhook } from 'standardwebhooks';": 'here',
  "import { createServer } from 'node:http';": 'webhooks',
  "import { createSecretBox, endpoints } from 'pg-herald';": 'webhooks',
  'import base64, hashlib, hmac, time': 'webhooks',
  'package webhook': 'webhooks',
  'pg-herald worker --metrics-port 9464': 'docs/production.md',
  "pg-herald why RECIPIENT   # or a message's id: what happened to it, step by step":
    'cli/why, cli/operate, cli/doctor',
  'rule_files: [alerts.yml]': 'monitoring',
  'POST /workspaces                 your request': 'a picture; telemetry/traces',
  'SELECT herald.enqueue(\'{"template": "greeting", "to": {"id": "7", "email": "ada@example.com"}, "labels": {"who": "Ada"},':
    'here',
  'npm run test:chaos                                    # two minutes of faults, a seed of its own': '.ci/run',
  "UPDATE herald.method SET notify = false WHERE name = 'smtp';": 'here',
  '-- scaling: prepare': 'scaling',
  '-- scaling: partition': 'scaling',
  '-- scaling: drop': 'scaling',
  'HERALD_SMTP_HOST=smtp.acme.example HERALD_SMTP_USER=acme HERALD_SMTP_PASSWORD_FILE=/run/secrets/smtp': 'smtp',
  'HERALD_SMTP_HOST=smtp.office365.com HERALD_SMTP_USER=noreply@acme.example': 'smtp',
  '[': 'smtp',
};

const isFollowed = (page: string, { sections }: Block) =>
  page in followed && (followed[page] === null || sections.includes(followed[page] ?? ''));

test.each(pages)('every block of %s is run', (page) => {
  const untried = (blocks.get(page) ?? [])
    .filter((block) => !isFollowed(page, block))
    .map(({ text, line }) => ({ line, first: text.split('\n')[0] ?? '' }))
    .filter(({ first }) => !(first in elsewhere));
  expect(untried).toEqual([]);
});

/** Everything that npm packs, as far as a page could link to it. */
const packed = (JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { files: string[] }).files;
const isPacked = (path: string) =>
  ['README.md', 'LICENSE', 'package.json', ...packed].some((name) => path === name || path.startsWith(`${name}/`)) &&
  !packed.some((name) => name.startsWith('!') && path.startsWith(`${name.slice(1)}/`));

test.each(pages)('every link of %s leads to a file and heading that the package contains', (page) => {
  const links = [...(texts.get(page) ?? '').matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)]
    .map(([, link, image]) => link ?? image ?? '')
    // What begins with a slash is a path of the reader's own server.
    .filter((link) => !/^(https?:|mailto:|\/)/.test(link));
  const dead = links.filter((link) => {
    const [path = '', fragment] = link.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    if (!existsSync(root + file) || !isPacked(file)) return true;
    return fragment !== undefined && !anchorsOf(readFileSync(root + file, 'utf8')).includes(fragment);
  });
  expect(dead).toEqual([]);
});

/** The anchors that GitHub and VitePress make from headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

test('docs/troubleshooting.md explains every reason', () => {
  const page = texts.get('docs/troubleshooting.md') ?? '';
  expect(reasons.filter((reason) => !page.includes(`\`${reason}\``))).toEqual([]);
});

test('docs/README.md lists every page', () => {
  const index = texts.get('docs/README.md') ?? '';
  const listed = pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md');
  expect(listed.filter((page) => !index.includes(`](${page.slice(5)})`))).toEqual([]);
});

test('README.md has 130 lines at most, ARCHITECTURE.md 120', () => {
  expect((texts.get('README.md') ?? '').split('\n').length).toBeLessThanOrEqual(131);
  expect((texts.get('ARCHITECTURE.md') ?? '').split('\n').length).toBeLessThanOrEqual(121);
});

describe('the SQL of a page works:', () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });
  beforeAll(async () => {
    await syncTemplates(database.pool, (await readTemplates(shippedTemplatesFolder)).sources);
  });

  test.each([
    ['docs/monitoring.md', 'Traces'],
    ['docs/scaling.md', 'NOTIFY'],
  ])('%s, %s', async (page, section) => {
    const sql = (blocks.get(page) ?? []).filter(
      (block) => block.language === 'sql' && block.sections.includes(section),
    );
    expect(sql).toHaveLength(1);
    const [block] = sql;
    await database.pool.query(block?.text ?? '');
    const { rows } = await database.pool.query('SELECT template, status FROM herald.message ORDER BY created_at');
    if (section === 'Traces') expect(rows).toContainEqual({ template: 'greeting', status: 'pending' });
    if (section === 'NOTIFY') {
      const methods = await database.pool.query('SELECT name FROM herald.method WHERE NOT notify');
      expect(methods.rows).toEqual([{ name: 'smtp' }]);
    }
  });
});

test('the short receiver of docs/webhooks.md accepts our signature and throws for any other', () => {
  const block = (blocks.get('docs/webhooks.md') ?? []).find(({ text }) =>
    text.startsWith("import { Webhook } from 'standardwebhooks'"),
  );
  const [, statement = ''] = block?.text.trim().split('\n') ?? [];
  const verify = compileFunction(`${statement}\nreturn data;`, ['Webhook', 'process', 'rawBody', 'headers']);
  const at = new Date();
  const rawBody = JSON.stringify({ type: 'notification.greeting', data: { title: 'Hi' } });
  const headers = {
    'webhook-id': 'a',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign('a', at, rawBody),
  };
  const receiver = { env: { WEBHOOK_SECRET: secret } };
  expect(verify(Webhook, receiver, rawBody, headers)).toEqual({ title: 'Hi' });
  expect(() => verify(Webhook, receiver, `${rawBody} `, headers)).toThrow();
});
