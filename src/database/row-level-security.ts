/** Policies by which the role `herald_tenant` sees the rows of one tenant: optional, for who reads the tables. */
import { Client, type ClientBase } from 'pg';
import { requireMigrated } from './journal.ts';
import { rolesScript } from './roles.ts';
import { shippedSql } from './shipped-sql.ts';

/** How long writing the policies may block the application while it waits for a lock, in milliseconds. */
const lockTimeoutMs = 5000;

/** Returns the SQL script that creates the roles and the policies. */
export function rowLevelSecurityScript(): string {
  return `${rolesScript()}\n${shippedSql().rowLevelSecurity}`;
}

/**
 * Creates the roles and the policies, all or nothing. Safe to repeat. `migrate` repeats it for new tables. Needs the
 * owner of the tables, with the right to create roles.
 * @throws {ConfigurationError} if the database is not at this release.
 */
export async function applyRowLevelSecurity(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  try {
    await client.connect();
    await client.query(`BEGIN; SET LOCAL search_path = ''; SET LOCAL lock_timeout = '${lockTimeoutMs}ms'`);
    await requireMigrated(client);
    await client.query(`${rowLevelSecurityScript()}\nCOMMIT`);
  } finally {
    await client.end();
  }
}

/** Repeats it if this database has the policies. */
export async function repeatRowLevelSecurity(client: ClientBase): Promise<void> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
     WHERE p.polname = 'herald_tenant' AND c.relnamespace = to_regnamespace('herald') LIMIT 1`,
  );
  if (rowCount === 0) return;
  await client.query(`BEGIN; SET LOCAL lock_timeout = '${lockTimeoutMs}ms';\n${shippedSql().rowLevelSecurity}\nCOMMIT`);
}
