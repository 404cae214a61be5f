/** No page shows what nobody has tried: each block is followed by a test, or stands here with where else it is. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, test } from 'vitest';
import { secret } from '../dispatch/support.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { type Block, blocksOf } from './support/blocks.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const pages = [
  'README.md',
  ...readdirSync(`${root}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const blocks = new Map(pages.map((page) => [page, blocksOf(readFileSync(root + page, 'utf8'))]));

/** By guides, operating and production; of some pages one section. */
const followed: Readonly<Record<string, string | null>> = {
  'README.md': 'Five minutes into your Drizzle application',
  'docs/drizzle.md': null,
  'docs/plain-pg.md': null,
  'docs/testing.md': null,
  'docs/from-a-trigger.md': null,
  'docs/production.md': null,
  'docs/upgrading.md': null,
  'docs/security.md': null,
  'docs/restore.md': null,
  'docs/console.md': null,
  'docs/webhooks.md': 'Endpoints',
};

/** The first line of a block, and who tries it. */
const elsewhere: Readonly<Record<string, string>> = {
  'await db.transaction(async (tx) => {': 'docs/drizzle.md and the types test the same call',
  'npm ci': 'a checkout has done it; .ci/run runs the demo',
  'SELECT * FROM herald.enqueue(\'workspace-deleted\', \'{"id": "user-7", "email": "kim@example.com"}\',': 'here',
  "import { Webhook } from 'standardwebhooks';": 'here',
  "import { createServer } from 'node:http';": 'webhooks',
  'import base64, hashlib, hmac, time': 'webhooks',
  'package webhook': 'webhooks',
  'pg-herald worker --metrics-port 9464': 'docs/production.md',
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

test.each(pages)('every block of %s is tried', (page) => {
  const untried = (blocks.get(page) ?? [])
    .filter((block) => !isFollowed(page, block))
    .map(({ text, line }) => ({ line, first: text.split('\n')[0] ?? '' }))
    .filter(({ first }) => !(first in elsewhere));
  expect(untried).toEqual([]);
});

describe('what pages show in SQL', () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });
  beforeAll(async () => {
    await syncTemplates(database.pool, (await readTemplates(shippedTemplatesFolder)).sources);
  });

  test.each([
    ['README.md', 'From SQL'],
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
    if (section === 'From SQL') expect(rows).toEqual([{ template: 'workspace-deleted', status: 'cancelled' }]);
    if (section === 'Traces') expect(rows).toContainEqual({ template: 'greeting', status: 'pending' });
    if (section === 'NOTIFY') {
      const methods = await database.pool.query('SELECT name FROM herald.method WHERE NOT notify');
      expect(methods.rows).toEqual([{ name: 'smtp' }]);
    }
  });
});

test('the receiver of README.md verifies what is ours and throws for anything else', () => {
  const block = (blocks.get('README.md') ?? []).find(({ text }) =>
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
