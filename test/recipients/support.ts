/** What the tests of the recipients' pages share. */
import { Pool } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { applyRoles } from '../../src/database/roles.ts';
import { createRecipientPages, type RecipientPagesOptions } from '../../src/recipients/index.ts';
import { createTokenBox, type LinkPurpose, type LinkSubject } from '../../src/recipients/token.ts';
import type { TestDatabase } from '../support/database.ts';
import { brand } from '../support/application.ts';
import { useDatabase, type UseDatabaseOptions } from '../support/use-database.ts';

export const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
export const links = { url: 'https://app.example/mail', keys: [key(1)] };
const box = createTokenBox(links.keys);

/** What the URL of a link is, as in an email. */
export function linkTo<Purpose extends LinkPurpose>(purpose: Purpose, subject: LinkSubject<Purpose>): string {
  return `${links.url}/${purpose[0]}/${box.seal(purpose, subject)}`;
}

export const unsubscribeLink = (recipientId: string, template = 'report') =>
  linkTo('unsubscribe', { recipientId, tenant: null, template, method: 'smtp' });
export const preferencesLink = (recipientId: string) => linkTo('preferences', { recipientId, tenant: null });

/** Templates of two groups, one of them with a mandatory one, and a third that is mandatory as a whole. */
export const templates = {
  report: `---\ntitle: Report\ngroup: Reports\nmethods: [smtp, webhook]\n---\nAll is well.\n`,
  digest: `---\ntitle: Digest\ngroup: Reports\n---\nAll was well.\n`,
  news: `---\ntitle: News\ngroup: News & more\nenabledByDefault: false\n---\nNews.\n`,
  invoice: `---\ntitle: Invoice\ngroup: News & more\nmandatory: true\n---\nPay.\n`,
  password: `---\ntitle: Password\ngroup: Account\nmandatory: true\n---\nReset it.\n`,
};

/** A database on which the pages have no more rights than the role herald_enqueuer. */
export function useRecipientPages(options: UseDatabaseOptions = {}) {
  const database = useDatabase({ templates, ...options });
  let pool: Pool;
  beforeAll(async () => {
    await applyRoles(database.url);
    pool = new Pool({ connectionString: database.url, options: '-c role=herald_enqueuer', max: 4 });
    pool.on('error', () => undefined);
  });
  afterAll(() => pool?.end());
  return {
    database,
    pages: (more: Partial<RecipientPagesOptions> = {}) => createRecipientPages({ pool, links, brand, ...more }),
  };
}

/** What a recipient receives now: `template method` by name. */
export async function received(database: TestDatabase, recipientId: string): Promise<string[]> {
  const { rows } = await database.pool.query<{ name: string }>(
    `SELECT template || ' ' || method AS name FROM herald.preferences($1) WHERE enabled ORDER BY 1`,
    [recipientId],
  );
  return rows.map(({ name }) => name);
}

/** Everything that the pages could write. */
export async function stored(database: TestDatabase): Promise<unknown> {
  const { rows } = await database.pool.query(
    `SELECT (SELECT json_agg(p ORDER BY p::text) FROM herald.preference p) AS preferences,
       (SELECT count(*) FROM herald.preference_history) AS changes`,
  );
  return rows;
}
