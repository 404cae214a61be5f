/** Roles with as few rights as each part needs: `herald_enqueuer`, `herald_worker`, `herald_reader`. */
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { requireMigrated } from './journal.ts';

/** The script, the same from the sources and from the package. */
export function rolesScript(): string {
  return readFileSync(new URL('../../src/database/roles.sql', import.meta.url), 'utf8');
}

/**
 * Creates the roles where they are missing and gives them their rights, as a whole or not at all. Safe to repeat; needed again after an
 * upgrade that brings tables or functions. Needs the owner of the tables, with the right to create roles.
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
