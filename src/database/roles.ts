/** Roles with as few rights as each part needs: `herald_enqueuer`, `herald_worker`, `herald_reader`. */
import { Client } from 'pg';
import { requireMigrated } from './journal.ts';
import { shippedSql } from './shipped-sql.ts';

/** Returns the SQL script that creates the roles and grants their rights. */
export function rolesScript(): string {
  return shippedSql().roles;
}

/**
 * Creates the roles where they are missing and gives them their rights, as a whole or not at all. Safe to repeat;
 * needed again after an upgrade that brings tables or functions. Needs the owner of the tables, with the right to
 * create roles.
 */
export async function applyRoles(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await requireMigrated(client);
    await client.query(`BEGIN;\n${rolesScript()}\nCOMMIT`);
  } finally {
    await client.end();
  }
}
