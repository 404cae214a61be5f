/** The guides are followed as a reader would: every command is run, every file compiled, everything shown is compared. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { hasProgram } from '../cli/support.ts';
import { followGuide, type GuideOptions } from './support/guide.ts';

const documentedUrl = 'postgres://app@localhost/app';

async function follow(page: string, options: GuideOptions = {}): Promise<string> {
  const database: TestDatabase = await createTestDatabase({ empty: true });
  try {
    const guide = await followGuide(page, { replace: { [documentedUrl]: database.url }, ...options });
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

describe('what a guide tells is true', { timeout: 180_000 }, () => {
  test('README.md, from an empty folder to a mail in the catcher', async () => {
    await follow('README.md', {
      section: 'Five minutes into your Drizzle application',
      prepare: existingSchema,
      replace: { [documentedUrl]: printedUrl },
    });
  });

  test('docs/drizzle.md', async () => {
    await follow('docs/drizzle.md', { prepare: existingSchema });
  });

  test('docs/plain-pg.md', async () => {
    await follow('docs/plain-pg.md');
  });

  test('docs/testing.md', async () => {
    await follow('docs/testing.md');
  });

  test.skipIf(!hasProgram('psql'))('docs/from-a-trigger.md', async () => {
    await follow('docs/from-a-trigger.md');
  });
});
