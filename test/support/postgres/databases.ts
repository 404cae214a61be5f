/** Creates and drops the databases of a test run on one server. Knows nothing of vitest: benchmarks use it too. */
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';

/** A run that was killed on a server of DATABASE_URL leaves its databases behind; the next run drops them after this. */
const leftoverSeconds = 2 * 60 * 60;

interface NewDatabase {
  readonly name: string;
  readonly template?: string;
}

/** Creates a database, by copying another if one is named, and returns its connection string. */
export async function createDatabase(serverUrl: string, { name, template }: NewDatabase): Promise<string> {
  await withClient(serverUrl, async (client) => {
    const { rows } = await client.query<{ major: number }>(
      `SELECT current_setting('server_version_num')::int / 10000 AS major`,
    );
    // Copying the files of a small database takes half the time of writing it through the log (PostgreSQL 15).
    const strategy = template && (rows[0]?.major ?? 0) >= 15 ? 'STRATEGY file_copy' : '';
    const source = template ? `TEMPLATE ${client.escapeIdentifier(template)} ${strategy}` : '';
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)} ${source}`);
  });
  return databaseUrl(serverUrl, name);
}

/**
 * Keeps everybody out of a finished template: a copy fails while anybody is connected to its source. Waits up to five
 * seconds for the sessions of the migration to end (the server does, in the copy).
 */
export async function freezeTemplate(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, (client) =>
    client.query(`ALTER DATABASE ${client.escapeIdentifier(name)} ALLOW_CONNECTIONS false`),
  );
}

/** Drops every database whose name begins with the prefix, even with open connections. */
export async function dropDatabases(serverUrl: string, prefix: string): Promise<void> {
  await withClient(serverUrl, async (client) => {
    for (const name of await namesWith(client, prefix)) await drop(client, name);
  });
}

/** Drops the databases of runs that cannot be alive any more. */
export async function dropLeftovers(serverUrl: string): Promise<void> {
  const oldest = Date.now() / 1000 - leftoverSeconds;
  await withClient(serverUrl, async (client) => {
    for (const name of await namesWith(client, 'herald_test_')) {
      if (Number(name.split('_')[2]) < oldest) await drop(client, name);
    }
  });
}

export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}

/** Names of the databases that are ours to drop. */
async function namesWith(client: Client, prefix: string): Promise<string[]> {
  const { rows } = await client.query<{ datname: string }>(
    `SELECT datname FROM pg_database WHERE starts_with(datname::text, $1) AND pg_has_role(datdba, 'USAGE')`,
    [prefix],
  );
  return rows.map((row) => row.datname);
}

/** A pool of pg has ended before its connections have: they get a moment, since one that is cut off then is an uncaught error. */
async function drop(client: Client, name: string): Promise<void> {
  for (let looks = 0; looks < 30 && (await isInUse(client, name)); looks += 1) await pause(10);
  await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(name)} WITH (FORCE)`);
}

async function isInUse(client: Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_stat_activity WHERE datname = $1', [name]);
  return rowCount !== 0;
}

async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    throw explained(error, client) ?? error;
  } finally {
    await client.end();
  }
}

/** The remedies for the two things that are usually wrong with a DATABASE_URL. */
function explained(error: unknown, { host, port, user }: Client): Error | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'ENOENT', '28P01', '28000'].includes(code)) {
    return new Error(`cannot connect to PostgreSQL at ${host}:${port} (${code}): check DATABASE_URL`, { cause: error });
  }
  if (code !== '42501') return undefined;
  return new Error(`role "${user}" may not do this (${String(error)}): grant it CREATEDB`, { cause: error });
}
