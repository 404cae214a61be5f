/** Installs pg-boss's tables and creates a queue and a row of herald.method per delivery method. */
import type { ClientBase, Pool } from 'pg';
import { getConstructionPlans, getMigrationPlans, PgBoss } from 'pg-boss';
import { ConfigurationError } from '../errors.ts';
import { bossOptions, deadLetterQueue, knownQueueVersion, methodQueueOptions, queueSchema } from './options.ts';

/** What a recipient must have for a built-in method. */
const requirements: Readonly<Record<string, string>> = { smtp: 'email' };

/** Built-in methods whose messages do not wake anyone, so that quiet hours do not stop them. */
const withoutQuietHours: readonly string[] = ['inbox', 'webhook'];

/**
 * Installs or upgrades pg-boss and creates the queues and method rows that are missing.
 *
 * @throws {ConfigurationError} if a method's name is invalid.
 */
export async function installQueues(pool: Pool, methods: readonly string[]) {
  const db = { executeSql: (text: string, values?: unknown[]) => pool.query(text, values) };
  const boss = new PgBoss({ ...bossOptions, db, migrate: true, supervise: false });
  boss.on('error', () => undefined);
  const before = await versionOf(pool);
  await boss.start();
  try {
    await boss.createQueue(deadLetterQueue, { retentionSeconds: methodQueueOptions.retentionSeconds });
    const createdMethods: string[] = [];
    for (const method of new Set(methods)) if (await createMethod(boss, pool, method)) createdMethods.push(method);
    return { queueSchema: { before, after: (await boss.schemaVersion()) ?? 0 }, createdMethods };
  } finally {
    await boss.stop({ graceful: false });
  }
}

async function createMethod(boss: PgBoss, pool: Pool, method: string): Promise<boolean> {
  await boss.createQueue(requireMethodName(method), methodQueueOptions);
  // For a queue that an earlier release created.
  await boss.updateQueue(method, { retryDelay: methodQueueOptions.retryDelay, retryBackoff: false });
  const result = await pool.query(
    'INSERT INTO herald.method (name, requires, quiet_hours) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
    [method, requirements[method] ?? null, !withoutQuietHours.includes(method)],
  );
  return result.rowCount === 1;
}

function requireMethodName(method: string): string {
  if (/^[a-z][a-z0-9-]{0,39}$/.test(method) && method !== deadLetterQueue) return method;
  throw new ConfigurationError(
    'method',
    `invalid method name "${method}": use a-z, 0-9 and "-", starting with a letter, 40 characters at most`,
  );
}

async function versionOf(client: Pool | ClientBase): Promise<number | null> {
  const found = await client.query<{ found: boolean }>(
    `SELECT to_regclass('${queueSchema}.version') IS NOT NULL AS found`,
  );
  if (!found.rows[0]?.found) return null;
  const version = await client.query<{ version: number }>(`SELECT version FROM ${queueSchema}.version`);
  return version.rows[0]?.version ?? null;
}

/** Returns the SQL that would install or upgrade pg-boss; empty if there is nothing to do. */
export async function planQueues(client: Pool | ClientBase): Promise<string> {
  const version = await versionOf(client);
  if (version === null) return getConstructionPlans(queueSchema, { createSchema: false });
  return version === knownQueueVersion ? '' : getMigrationPlans(queueSchema, version);
}

/**
 * Returns what `installQueues` does on an empty database as a script, for databases without a connection string
 * (PGlite).
 */
export function queueInstallScript(methods: readonly string[]): string {
  const createQueue = (name: string, options: object) =>
    `SELECT ${queueSchema}.create_queue('${name}', '${JSON.stringify({ policy: 'standard', ...options })}'::jsonb);`;
  return [
    getConstructionPlans(queueSchema, { createSchema: false }),
    createQueue(deadLetterQueue, { retentionSeconds: methodQueueOptions.retentionSeconds }),
    ...methods.flatMap((method) => [
      createQueue(requireMethodName(method), methodQueueOptions),
      `INSERT INTO herald.method (name, requires, quiet_hours)
VALUES ('${method}', ${requirements[method] ? `'${requirements[method]}'` : 'NULL'},
  ${!withoutQuietHours.includes(method)});`,
    ]),
  ].join('\n');
}
