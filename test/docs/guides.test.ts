/** Follows the guides as a reader does: runs every command, compiles every file, compares everything shown. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { hasProgram } from '../cli/support.ts';
import { freePort } from '../support/daemons.ts';
import { followGuide, type GuideOptions } from './support/guide.ts';

const documentedUrl = 'postgres://app@localhost/app';

async function follow(page: string, options: GuideOptions = {}): Promise<string> {
  const database: TestDatabase = await createTestDatabase({ empty: true });
  try {
    const guide = await followGuide(page, {
      ...options,
      replace: { [documentedUrl]: database.url, ...options.replace },
    });
    await guide.close();
    return guide.transcript;
  } finally {
    await database.close();
  }
}

/** What an application with Drizzle has already. */
function existingSchema(folder: string): void {
  writeFileSync(
    join(folder, 'schema.ts'),
    `import { pgTable, text } from 'drizzle-orm/pg-core';
export const workspaces = pgTable('workspaces', {
  id: text().primaryKey(),
  name: text().notNull(),
  ownerEmail: text('owner_email').notNull(),
});
`,
  );
}

/** The database that `pg-herald dev` started and printed. */
const printedUrl = (printed: string) => /export DATABASE_URL=(\S+)/.exec(printed)?.[1] ?? 'not printed';

describe('following the page works:', { timeout: 180_000 }, () => {
  test('README.md, from an empty folder to an email in the catcher', async () => {
    await follow('README.md', { section: 'Your first notification', replace: { [documentedUrl]: printedUrl } });
  });

  test('docs/drizzle.md', async () => {
    await follow('docs/drizzle.md', { prepare: existingSchema });
  });

  test.each([
    'docs/plain-pg.md',
    'docs/testing.md',
    'docs/templates.md',
    'docs/tenants.md',
    'docs/languages.md',
    'docs/unsubscribing.md',
    'docs/quiet-hours.md',
    'docs/bounces.md',
    'docs/operating-from-code.md',
  ])('%s', async (page) => {
    await follow(page);
  });

  test.skipIf(!hasProgram('psql'))('docs/from-a-trigger.md', async () => {
    const transcript = await follow('docs/from-a-trigger.md');
    const [, secondList = ''] = transcript.split('--where target=1042');
    expect(secondList.match(/ customer-7 /g)).toHaveLength(1);
  });

  test.skipIf(!hasProgram('psql'))('docs/escalation.md', async () => {
    await follow('docs/escalation.md');
  });

  test.skipIf(!hasProgram('psql'))('docs/guards.md', async () => {
    await follow('docs/guards.md');
  });

  test.skipIf(!hasProgram('psql'))('docs/inbox.md', async () => {
    await follow('docs/inbox.md', { replace: { '3000': String(await freePort()) } });
  });

  test.skipIf(!hasProgram('psql'))('docs/enqueue.md', async () => {
    await follow('docs/enqueue.md');
  });

  test('docs/migrations.md, by the command and by drizzle-kit', async () => {
    await follow('docs/migrations.md', { section: '`pg-herald migrate`' });
    const transcript = await follow('docs/migrations.md', {
      section: 'In your own drizzle-kit folder',
      prepare: existingSchema,
    });
    expect(transcript).toContain('migrations: nothing to do');
  });

  test('docs/worker.md', async () => {
    await follow('docs/worker.md', {
      prepare: (folder) => writeFileSync(join(folder, 'smtp-password'), 'sesame'),
      replace: { '/run/secrets/smtp': 'smtp-password' },
    });
  });

  test('docs/writing-a-dispatcher.md', async () => {
    await follow('docs/writing-a-dispatcher.md', { replace: { '4790': String(await freePort()) } });
  });
});
