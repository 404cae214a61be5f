/** The pictures of docs/inbox-client.md: the page of the example's application with its bell, light and dark. */
import type { Pool } from 'pg';
import type { Browser, Page } from 'playwright-core';
import { openPage } from '../examples/application/page.ts';
import { workspaceDeleted } from '../examples/application/workspaces.ts';
import { createHerald } from '../src/index.ts';

type Save = (page: Page, name: string) => Promise<void>;

const brand = { appName: 'Acme Workspaces', baseUrl: 'https://acme.example' };

/** Writes them. */
export async function takeInboxPictures(browser: Browser, pool: Pool, save: Save): Promise<void> {
  await fillInbox(pool);
  for (const scheme of ['light', 'dark'] as const) await takePicture(browser, pool, scheme, save);
}

/** Four notifications of a person, two of them read. */
async function fillInbox(pool: Pool): Promise<void> {
  const to = { id: 'ada', name: 'Ada Lovelace' };
  for (const workspace of ['search', 'analytics', 'payroll', 'billing-api'])
    await createHerald().enqueue(pool, workspaceDeleted, {
      ...{ autocommit: true, to, methods: ['inbox'] },
      labels: { workspace, reason: 'it was not used for 90 days', initiator: 'the cleanup job' },
    });
  await pool.query(
    `UPDATE herald.inbox i SET added_at = now() - n * n * interval '17 minutes',
       read_at = CASE WHEN n > 2 THEN now() END, seen_at = CASE WHEN n > 2 THEN now() END
     FROM (SELECT message_id, row_number() OVER (ORDER BY message_id DESC) AS n FROM herald.inbox) numbered
     WHERE i.message_id = numbered.message_id`,
  );
}

/** The page of the example's application, with the list of its bell open. */
async function takePicture(browser: Browser, pool: Pool, colorScheme: 'light' | 'dark', save: Save): Promise<void> {
  const application = await openPage({ pool, brand, deleteAnother: async () => undefined });
  const context = await browser.newContext({ colorScheme, viewport: { width: 760, height: 560 } });
  try {
    const page = await context.newPage();
    await page.goto(application.url);
    await page.getByRole('button', { name: 'Notifications, 2 unread' }).click();
    await page.getByRole('listitem').nth(3).waitFor();
    await save(page, `inbox-${colorScheme}.png`);
  } finally {
    await context.close();
    await application.close();
  }
}
