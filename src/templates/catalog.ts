/** Templates in the database. Files become numbered versions; a message keeps the version it was enqueued with. */
import type { Pool } from 'pg';
import { run, type Transaction } from '../database/caller-transaction.ts';
import { transaction } from '../database/pool.ts';
import { codeOf, ConfigurationError } from '../errors.ts';
import { guardProblem, templateGuard, tryGuard } from '../guard/guard-function.ts';
import type { TemplateStep } from './steps.ts';
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
  /** BCP 47 tags of the languages of that version, the default first. */
  readonly languages: string[];
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
  /** The function of the database that is asked before each attempt; null: none. */
  readonly guard: string | null;
  /** Later messages to those who have not reacted by then, in order; null: none. */
  readonly steps: readonly TemplateStep[] | null;
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
 *
 * @param database a `pg` pool, or an open transaction of any supported driver.
 * @param options.dryRun true: returns what would change. Default false.
 * @throws {ConfigurationError} if `database` is neither, or a worker cannot ask the function that a template names as
 * its guard.
 */
export async function syncTemplates(
  database: Pool | Transaction,
  sources: readonly TemplateSource[],
  options: { readonly dryRun?: boolean } = {},
): Promise<TemplateChange[]> {
  if (isPool(database)) return transaction(database, (client) => syncTemplates(client, sources, options));
  await lockTemplates(database);
  await requireGuards(database, sources);
  if (options.dryRun) await run(database, { text: 'SAVEPOINT herald_dry_run', values: [] });
  const changes: TemplateChange[] = [];
  for (const source of sources) changes.push(await syncOne(database, source));
  changes.push(...(await missing(database, sources)));
  if (options.dryRun) await run(database, { text: 'ROLLBACK TO SAVEPOINT herald_dry_run', values: [] });
  return changes;
}

function isPool(database: Pool | Transaction): database is Pool {
  return 'totalCount' in database && database.totalCount !== undefined;
}

/** Otherwise replicas that start together would race for the next version number. */
async function lockTemplates(tx: Transaction): Promise<void> {
  try {
    await run(tx, { text: 'LOCK TABLE herald.template IN SHARE ROW EXCLUSIVE MODE', values: [] });
  } catch (error) {
    if (codeOf(error) !== '25P01') throw error;
    throw new ConfigurationError('syncTemplates', 'needs a pg pool or an open transaction; call it inside one', {
      cause: error,
    });
  }
}

/** A guard that cannot answer would hold every message of its template. */
async function requireGuards(tx: Transaction, sources: readonly TemplateSource[]): Promise<void> {
  for (const { name, guard } of sources) {
    if (guard === null) continue;
    const problem = (await guardProblem(tx, guard, templateGuard)) ?? (await tryGuard(tx, guard));
    if (problem !== null) throw new ConfigurationError(`template ${name}: guard`, problem);
  }
}

async function syncOne(tx: Transaction, source: TemplateSource): Promise<TemplateChange> {
  const { name, contentHash } = source;
  const text = `SELECT t.current_version::text AS version, v.content_hash AS "contentHash",
       (SELECT max(n.version) FROM herald.template_version n WHERE n.template = t.name)::text AS newest
     FROM herald.template t
     JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version
     WHERE t.name = $1`;
  const [known] = await run<{ version: string; contentHash: string; newest: string }>(tx, { text, values: [name] });
  const same = known?.contentHash === contentHash;
  const version = known === undefined ? 1 : same ? Number(known.version) : Number(known.newest) + 1;
  const stored = { ...source, version };
  const optionsChanged = await writeOptions(tx, stored);
  if (!same) await writeVersion(tx, stored);
  if (known === undefined) return { name, version, change: 'created' };
  return { name, version, change: !same ? 'new version' : optionsChanged ? 'options' : 'unchanged' };
}

type StoredSource = TemplateSource & { readonly version: number };

/** Returns whether anything changed. */
async function writeOptions(tx: Transaction, source: StoredSource): Promise<boolean> {
  // Drivers differ in what they make of lists, so the template travels as one JSON text.
  const text = `
    INSERT INTO herald.template AS t (name, "group", kind, current_version, methods, fallback, enabled_by_default,
      mandatory, ttl_seconds, unknown, quiet, max_attempts, sender, guard, recipient_guard, steps, example)
    SELECT s.name, s."group", s.kind, s.version, s.methods, s.fallback, s."enabledByDefault", s.mandatory,
      s."ttlSeconds", s.unknown, s.quiet, s."maxAttempts", s.sender, s.guard, s."recipientGuard", s.steps,
      s.example
    FROM jsonb_to_record($1::text::jsonb) AS s (name text, "group" text, kind text, version int, methods text[],
      fallback text, "enabledByDefault" boolean, mandatory boolean, "ttlSeconds" int, unknown text, quiet text,
      "maxAttempts" smallint, sender text, guard text, "recipientGuard" boolean,
      steps jsonb, example jsonb)
    ON CONFLICT (name) DO UPDATE SET "group" = excluded."group", kind = excluded.kind,
      current_version = excluded.current_version, methods = excluded.methods, fallback = excluded.fallback,
      enabled_by_default = excluded.enabled_by_default, mandatory = excluded.mandatory,
      ttl_seconds = excluded.ttl_seconds, unknown = excluded.unknown, quiet = excluded.quiet,
      max_attempts = excluded.max_attempts,
      sender = excluded.sender, guard = excluded.guard, recipient_guard = excluded.recipient_guard,
      steps = excluded.steps, example = excluded.example, updated_at = now()
    WHERE (t."group", t.kind, t.current_version, t.methods, t.fallback, t.enabled_by_default, t.mandatory,
        t.ttl_seconds, t.unknown, t.quiet, t.max_attempts, t.sender, t.guard, t.recipient_guard, t.steps,
        t.example)
      IS DISTINCT FROM (excluded."group", excluded.kind, excluded.current_version, excluded.methods,
        excluded.fallback, excluded.enabled_by_default, excluded.mandatory, excluded.ttl_seconds, excluded.unknown,
        excluded.quiet, excluded.max_attempts, excluded.sender, excluded.guard,
        excluded.recipient_guard, excluded.steps, excluded.example)
    RETURNING t.name`;
  return (await run(tx, { text, values: [JSON.stringify(source)] })).length === 1;
}

async function writeVersion(tx: Transaction, source: StoredSource): Promise<void> {
  const text = `
    WITH source AS (
      SELECT * FROM jsonb_to_record($1::text::jsonb) AS s (name text, version int, language text, title text,
        preview text, body text, actions jsonb, words jsonb, labels text[], secrets text[], "dataFields" text[],
        "contentHash" text, translations jsonb)
    ), written AS (
      INSERT INTO herald.template_version (template, version, language, title, preview, body, actions, words, labels,
        secrets, data_fields, content_hash)
      SELECT s.name, s.version, s.language, s.title, s.preview, s.body, s.actions, s.words, s.labels, s.secrets,
        s."dataFields", s."contentHash"
      FROM source s
    )
    INSERT INTO herald.template_text (template, version, language, title, preview, body, actions, words)
    SELECT s.name, s.version, x.language, x.title, x.preview, x.body, x.actions, x.words
    FROM source s, jsonb_to_recordset(s.translations) AS x (language text, title text, preview text, body text,
      actions jsonb, words jsonb)`;
  await run(tx, { text, values: [JSON.stringify(source)] });
}

async function missing(tx: Transaction, sources: readonly TemplateSource[]): Promise<TemplateChange[]> {
  const text = `SELECT name, current_version::text AS version FROM herald.template
     WHERE NOT name IN (SELECT jsonb_array_elements_text($1::text::jsonb)) ORDER BY name`;
  const values = [JSON.stringify(sources.map(({ name }) => name))];
  const rows = await run<{ name: string; version: string }>(tx, { text, values });
  return rows.map(({ name, version }) => ({ name, version: Number(version), change: 'missing' }));
}

/** Returns every template with its current version, sorted by name. */
export async function listTemplates(pool: Pool): Promise<CatalogEntry[]> {
  const result = await pool.query<CatalogEntry>(
    `SELECT t.name, t.current_version AS version, v.language || ARRAY(
         SELECT x.language FROM herald.template_text x WHERE x.template = v.template AND x.version = v.version
         ORDER BY x.language) AS languages, t."group", t.kind, t.methods, t.methods_override AS "methodsOverride",
       t.enabled, t.enabled_by_default AS "enabledByDefault", t.mandatory, t.ttl_seconds AS "ttlSeconds", t.guard,
       t.steps, v.labels, v.secrets, t.updated_at AS "updatedAt"
     FROM herald.template t
     JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version
     ORDER BY t.name`,
  );
  return result.rows;
}
