/** The roles, with the rights of each part: `herald_enqueuer`, `_inbox`, `_worker`, `_reader` and `_operator`. */
import { Client, type ClientBase } from 'pg';
import { requireMigrated } from './journal.ts';
import { shippedSql } from './shipped-sql.ts';

/** Returns the SQL script that creates the roles and grants their rights. */
export function rolesScript(): string {
  const { roles, grants } = shippedSql();
  return `${roles}\n${grants}`;
}

/**
 * Creates the roles that are missing and grants their rights, all or nothing. Safe to repeat. `migrate` repeats the
 * grants. Needs the owner of the tables, with the right to create roles.
 * @throws {ConfigurationError} if the database is not at this release.
 */
export async function applyRoles(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  try {
    await client.connect();
    await client.query(`BEGIN; SET LOCAL search_path = ''`);
    await requireMigrated(client);
    await client.query(`${rolesScript()}\nCOMMIT`);
  } finally {
    await client.end();
  }
}

/**
 * Repeats the grants if this database gave the roles rights before. Roles belong to the server, rights to a database.
 */
export async function repeatGrants(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ granted: boolean }>(
    `SELECT coalesce(has_schema_privilege(to_regrole('herald_worker'), to_regnamespace('herald')::oid, 'USAGE'), false)
       AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = 'herald_worker') AS granted`,
  );
  if (rows[0]?.granted) await client.query(`BEGIN;\n${rolesScript()}\nCOMMIT`);
}
