/** Templates in the database. Files become numbered versions; a message keeps the version it was enqueued with. */
import type { Pool, PoolClient } from 'pg';
import type { TemplateSource } from './template-file.ts';

/** What `syncTemplates` did with one template. */
export interface TemplateChange {
  /** Name of the template. */
  readonly name: string;
  /** The version that new messages use. */
  readonly version: number;
  /** `options`: only options of the header changed. `missing`: the database has the template, but there is no file. */
  readonly change: 'created' | 'new version' | 'options' | 'unchanged' | 'missing';
}

/** A template in the database. */
export interface CatalogEntry {
  /** Also the file name without `.md`. */
  readonly name: string;
  /** The version that new messages use. */
  readonly version: number;
  /** What recipients see it under in their preferences. */
  readonly group: string;
  /** `system`, `custom` or `test`. */
  readonly kind: string;
  /** In order of preference; null: the application's default methods. */
  readonly methods: string[] | null;
  /** What an operator set instead of `methods`; null: nothing. */
  readonly methodsOverride: string[] | null;
  /** False if an operator disabled it. */
  readonly enabled: boolean;
  /** Whether recipients without a preference of their own receive it. */
  readonly enabledByDefault: boolean;
  /** Recipients cannot disable it. */
  readonly mandatory: boolean;
  /** A message expires this long after enqueue; null: never. */
  readonly ttlSeconds: number | null;
  /** Labels that every message needs, sorted. */
  readonly labels: string[];
  /** Labels that are encrypted at rest. */
  readonly secrets: string[];
  /** When its options or its version last changed. */
  readonly updatedAt: Date;
}

/**
 * Stores templates in the database, all or none. A changed text becomes a new version; messages that wait keep theirs.
 * What an operator set (enabled, methods override) stays. Nothing is deleted.
 */
export async function syncTemplates(
  pool: Pool,
  sources: readonly TemplateSource[],
  options: { readonly dryRun?: boolean } = {},
): Promise<TemplateChange[]> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    // Otherwise replicas that start together would race for the next version number.
    await client.query(`LOCK TABLE herald.template IN SHARE ROW EXCLUSIVE MODE`);
    const changes: TemplateChange[] = [];
    for (const source of sources) changes.push(await syncOne(client, source));
    changes.push(...(await missing(client, sources)));
    await client.query(options.dryRun ? 'ROLLBACK' : 'COMMIT');
    return changes;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

async function syncOne(client: PoolClient, source: TemplateSource): Promise<TemplateChange> {
  const { name, contentHash } = source;
  const current = await client.query<{ version: number; contentHash: string; newest: number }>(
    `SELECT t.current_version AS version, v.content_hash AS "contentHash",
       (SELECT max(n.version) FROM herald.template_version n WHERE n.template = t.name) AS newest
     FROM herald.template t
     JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version
     WHERE t.name = $1`,
    [name],
  );
  const known = current.rows[0];
  const same = known?.contentHash === contentHash;
  const version = known === undefined ? 1 : same ? known.version : known.newest + 1;
  const optionsChanged = await writeOptions(client, source, version);
  if (!same) await writeVersion(client, source, version);
  if (known === undefined) return { name, version, change: 'created' };
  return { name, version, change: !same ? 'new version' : optionsChanged ? 'options' : 'unchanged' };
}

async function writeOptions(client: PoolClient, source: TemplateSource, version: number): Promise<boolean> {
  const result = await client.query(
    `INSERT INTO herald.template AS t (name, "group", kind, current_version, methods, fallback, enabled_by_default,
       mandatory, ttl_seconds, unknown, max_attempts, sender, example)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (name) DO UPDATE SET "group" = $2, kind = $3, current_version = $4, methods = $5, fallback = $6,
       enabled_by_default = $7, mandatory = $8, ttl_seconds = $9, unknown = $10, max_attempts = $11, sender = $12,
       example = $13, updated_at = now()
     WHERE (t."group", t.kind, t.current_version, t.methods, t.fallback, t.enabled_by_default, t.mandatory,
       t.ttl_seconds, t.unknown, t.max_attempts, t.sender, t.example)
       IS DISTINCT FROM ($2, $3, $4::int, $5::text[], $6, $7::boolean, $8::boolean, $9::int, $10, $11::smallint, $12,
       $13::jsonb)`,
    [
      source.name,
      source.group,
      source.kind,
      version,
      source.methods,
      source.fallback,
      source.enabledByDefault,
      source.mandatory,
      source.ttlSeconds,
      source.unknown,
      source.maxAttempts,
      source.sender,
      source.example === null ? null : JSON.stringify(source.example),
    ],
  );
  return result.rowCount === 1;
}

async function writeVersion(client: PoolClient, source: TemplateSource, version: number): Promise<void> {
  const { name, title, body, actions, labels, secrets, contentHash } = source;
  await client.query(
    `INSERT INTO herald.template_version (template, version, title, body, actions, labels, secrets, content_hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [name, version, title, body, JSON.stringify(actions), labels, secrets, contentHash],
  );
}

async function missing(client: PoolClient, sources: readonly TemplateSource[]): Promise<TemplateChange[]> {
  const result = await client.query<{ name: string; version: number }>(
    'SELECT name, current_version AS version FROM herald.template WHERE NOT name = ANY ($1) ORDER BY name',
    [sources.map((source) => source.name)],
  );
  return result.rows.map((row) => ({ ...row, change: 'missing' }));
}

/** Returns every template with its current version, sorted by name. */
export async function listTemplates(pool: Pool): Promise<CatalogEntry[]> {
  const result = await pool.query<CatalogEntry>(
    `SELECT t.name, t.current_version AS version, t."group", t.kind, t.methods, t.methods_override AS "methodsOverride",
       t.enabled, t.enabled_by_default AS "enabledByDefault", t.mandatory, t.ttl_seconds AS "ttlSeconds", v.labels,
       v.secrets, t.updated_at AS "updatedAt"
     FROM herald.template t
     JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version
     ORDER BY t.name`,
  );
  return result.rows;
}
