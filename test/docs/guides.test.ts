/** The guides are followed as a reader would: every command is run, every file compiled, everything shown is compared. */
import { describe, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { hasProgram } from '../cli/support.ts';
import { followGuide } from './support/guide.ts';

const documentedUrl = 'postgres://app@localhost/app';

async function follow(page: string, section?: string): Promise<string> {
  const database: TestDatabase = await createTestDatabase({ empty: true });
  try {
    const guide = await followGuide(page, {
      replace: { [documentedUrl]: database.url },
      ...(section !== undefined && { section }),
    });
    await guide.close();
    return guide.transcript;
  } finally {
    await database.close();
  }
}

describe('what a guide tells is true', { timeout: 180_000 }, () => {
  test('docs/testing.md', async () => {
    await follow('docs/testing.md');
  });

  test.skipIf(!hasProgram('psql'))('docs/from-a-trigger.md', async () => {
    await follow('docs/from-a-trigger.md');
  });
});
