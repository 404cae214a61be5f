/**
 * `npm run docs:pictures`: writes docs/images/*.png, the pictures of the README and of the pages in docs/: the
 * console's overview, its list of messages, shipped emails and the bell of the example, light and dark. Needs a
 * PostgreSQL (see test/support/postgres) and Chromium (CHROMIUM_PATH, or one in PATH). `-- emails` takes those of
 * docs/templates.md alone, for which no PostgreSQL is needed.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Pool } from 'pg';
import type { Browser, Page } from 'playwright-core';
import * as v from 'valibot';
import { type ConsoleServer, serveConsole } from '../src/console/index.ts';
import {
  createHerald,
  createWorker,
  defineTemplate,
  type Dispatcher,
  migrate,
  readTemplates,
  syncTemplates,
} from '../src/index.ts';
import { takeEmailPictures } from './email-pictures.ts';
import { takeInboxPictures } from './inbox-pictures.ts';
import { findChromium, launch } from '../test/support/chromium.ts';
import { createDatabase, dropDatabases } from '../test/support/postgres/databases.ts';
import { resolvePostgres } from '../test/support/postgres/server.ts';
import { until } from '../test/support/wait.ts';

const images = fileURLToPath(new URL('../docs/images/', import.meta.url));
const brand = { appName: 'Acme Workspaces', baseUrl: 'https://acme.example' };
const schemes = ['light', 'dark'] as const;
const maxBytes = 150_000;

const workspaceDeleted = defineTemplate({
  name: 'workspace-deleted',
  labels: v.object({ workspace: v.string(), reason: v.string(), initiator: v.string() }),
});

const executable = findChromium();
if (executable === null) throw new Error('no Chromium found: install one, or set CHROMIUM_PATH');
mkdirSync(images, { recursive: true });
const browser = await launch(executable);
try {
  await takeEmailPictures(browser, save);
  if (process.argv[2] !== 'emails') await takeConsolePictures(browser);
} finally {
  await browser.close();
}

async function takeConsolePictures(browser: Browser): Promise<void> {
  const server = await resolvePostgres();
  const database = `herald_pictures_${randomBytes(4).toString('hex')}`;
  const url = await createDatabase(server.url, { name: database });
  try {
    await withDemoData(url, async (pool) => {
      const shown = await serveConsole({ pool, port: 0, brand, operator: 'ada', readOnly: true });
      try {
        for (const scheme of schemes) await takePictures(browser, shown, scheme);
        await takeInboxPictures(browser, pool, save);
      } finally {
        await shown.close();
      }
    });
  } finally {
    await dropDatabases(server.url, database);
    await server.stop();
  }
}

/** A database with a day of messages, and a worker that stays connected. */
async function withDemoData(connectionString: string, use: (pool: Pool) => Promise<void>): Promise<void> {
  await migrate(connectionString);
  const pool = new Pool({ connectionString });
  const worker = createWorker({
    connectionString,
    brand,
    dispatchers: { smtp: answering(), webhook: answering() },
    pollSeconds: 0.2,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  try {
    const { sources } = await readTemplates(fileURLToPath(new URL('../templates', import.meta.url)));
    await syncTemplates(pool, sources);
    await worker.start();
    await enqueueDemo(pool);
    await until(async () => (await unsettled(pool)) === 0, { timeoutMs: 60_000, what: 'every message to settle' });
    await spreadOverDay(pool);
    await use(pool);
  } finally {
    await worker.stop();
    await pool.end();
  }
}

/** Accepts everything except for a few recipients whose mailboxes do not exist. */
function answering(): Dispatcher {
  return {
    concurrency: 20,
    timeoutSeconds: 60,
    retryDelaysSeconds: [60],
    dispatch: async ({ recipient }) =>
      recipient.id.endsWith('7')
        ? { outcome: 'failed', reason: 'no_such_recipient', detail: '550 5.1.1 no such mailbox' }
        : { outcome: 'sent' },
  };
}

async function enqueueDemo(pool: Pool): Promise<void> {
  const herald = createHerald();
  const names = ['Ada Lovelace', 'Grace Hopper', 'Alan Turing', 'Edsger Dijkstra', 'Barbara Liskov'] as const;
  const workspaces = ['compiler', 'billing-api', 'analytics', 'payroll', 'search'] as const;
  for (let n = 0; n < 240; n += 1) {
    const name = names[n % names.length] ?? '';
    const id = `user-${(n * 13) % 100}`;
    await drizzle(pool).transaction((tx) =>
      herald.enqueue(tx, workspaceDeleted, {
        to: { id, name, email: `${name.split(' ')[0]?.toLowerCase()}${n}@example.com` },
        labels: {
          workspace: workspaces[n % workspaces.length] ?? '',
          reason: 'it was not used for 90 days',
          initiator: 'the cleanup job',
        },
        methods: n % 4 === 0 ? ['smtp', 'webhook'] : ['smtp'],
      }),
    );
  }
}

async function unsettled(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM herald.message WHERE settled_at IS NULL',
  );
  return rows[0]?.n ?? 0;
}

/** Most of the day in the last hour, so that both charts have something to show. */
async function spreadOverDay(pool: Pool): Promise<void> {
  await pool.query(
    `UPDATE herald.message m SET created_at = at, settled_at = at + interval '1 second'
     FROM (SELECT id, now() - interval '1 minute' - (n % 2) * interval '23 hours' * abs(sin(n))
             - interval '57 minutes' * abs(sin(n * 1.7)) AS at
           FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM herald.message) numbered) spread
     WHERE m.id = spread.id`,
  );
}

async function takePictures(browser: Browser, shown: ConsoleServer, colorScheme: 'light' | 'dark'): Promise<void> {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1100, height: 612 } });
  const page = await context.newPage();
  await page.goto(shown.url);
  await page.getByText('Messages are being sent.').waitFor();
  await page.locator('.chart svg').nth(1).waitFor();
  await save(page, `console-${colorScheme}.png`);
  await page.goto(`${shown.url}messages`);
  await page.getByRole('heading', { name: 'Messages' }).waitFor();
  await save(page, `messages-${colorScheme}.png`);
  await page.setViewportSize({ width: 640, height: 490 });
  await page.goto(`${shown.url}templates/workspace-deleted/frame?scheme=${colorScheme}`);
  await save(page, `email-${colorScheme}.png`);
  await context.close();
}

async function save(page: Page, name: string, fullPage = false): Promise<void> {
  const path = `${images}${name}`;
  await page.screenshot({ path, animations: 'disabled', fullPage });
  const bytes = statSync(path).size;
  if (bytes > maxBytes) throw new Error(`${name} has ${bytes} bytes, more than ${maxBytes}`);
  console.log(`${path} (${Math.ceil(bytes / 1024)} KB)`);
}
