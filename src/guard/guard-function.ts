/**
 * Whether the database has the function that a guard names, and whether a worker can ask it. Asked when templates are
 * synced, when a worker starts and by `pg-herald doctor`.
 */
import { type Connection, run } from '../database/caller-transaction.ts';
import { codeOf } from '../errors.ts';
import { guardArguments, quotedGuard } from './guard-name.ts';

/** What a guard must be: its arguments, and what it returns. */
export interface GuardShape {
  /** As Postgres writes them, for example `text, text[]`. */
  readonly arguments: string;
  /** For messages: for example `returns text`. */
  readonly returns: string;
}

/** The guard of a template. */
export const templateGuard: GuardShape = { arguments: guardArguments, returns: 'text' };

/** The recipient guard of a worker. */
export const recipientGuard: GuardShape = {
  arguments: 'text[]',
  returns: 'TABLE(id text, reason text, email text, name text, locale text)',
};

interface Found {
  readonly volatility: 'i' | 's' | 'v';
  readonly returns: string;
  readonly workerMay: boolean;
}

// Roles belong to the server: the rights of herald_worker matter only where this database gave it some.
const findText = `
SELECT p.provolatile AS volatility, pg_catalog.pg_get_function_result(p.oid) AS returns,
  NOT coalesce(pg_catalog.has_schema_privilege(pg_catalog.to_regrole('herald_worker'),
      pg_catalog.to_regnamespace('herald')::oid, 'USAGE'), false)
    OR (pg_catalog.has_schema_privilege(pg_catalog.to_regrole('herald_worker'), p.pronamespace, 'USAGE')
      AND pg_catalog.has_function_privilege(pg_catalog.to_regrole('herald_worker'), p.oid, 'EXECUTE')) AS "workerMay"
FROM pg_catalog.pg_proc p WHERE p.oid = pg_catalog.to_regprocedure($1::text) AND p.prokind = 'f'`;

const overloadsText = `
SELECT pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = $1::text AND p.proname = $2::text ORDER BY 1 LIMIT 3`;

/** Returns what is wrong with the function, with the remedy; null: nothing. */
export async function guardProblem(tx: Connection, name: string, shape: GuardShape): Promise<string | null> {
  const signature = `${name}(${shape.arguments})`;
  const values = [`${quotedGuard(name)}(${shape.arguments})`];
  const [found] = await run<Found>(tx, { text: findText, values });
  if (found === undefined) return missingText(tx, name, signature);
  if (found.returns !== shape.returns) return `${signature} returns ${found.returns}; it must return ${shape.returns}`;
  if (found.volatility === 'v')
    return `${signature} is VOLATILE; declare it STABLE: it must not change anything, and answers for many messages`;
  if (!found.workerMay)
    return (
      `herald_worker may not call ${signature}; run "GRANT USAGE ON SCHEMA ${name.split('.')[0]} TO herald_worker" ` +
      `and "GRANT EXECUTE ON FUNCTION ${signature} TO herald_worker"`
    );
  return null;
}

async function missingText(tx: Connection, name: string, signature: string): Promise<string> {
  const overloads = await run<{ arguments: string }>(tx, { text: overloadsText, values: name.split('.') });
  const others = overloads.map((each) => `${name}(${each.arguments})`).join(' and ');
  return others === ''
    ? `there is no function ${signature}; create it, or correct the name`
    : `there is no function ${signature}, only ${others}; correct its arguments`;
}

/** Codes of a function whose text cannot be run as it is: a name in it was not found. */
const unresolved: readonly string[] = ['42P01', '42883', '42703', '42704', '3F000'];

/**
 * Calls a template's guard once, with nothing, as a worker would: with an empty search path. Returns what its text
 * cannot find; null if it can be run. What it thinks of a message of nothing does not matter. Needs a transaction,
 * which it leaves as it was.
 */
export async function tryGuard(tx: Connection, name: string): Promise<string | null> {
  const query = (text: string) => run(tx, { text, values: [] });
  await query('SAVEPOINT herald_guard');
  try {
    await query('SET LOCAL transaction_read_only = on');
    await query("SET LOCAL search_path = ''");
    await query("SET LOCAL statement_timeout = '2s'");
    await query(`SELECT ${quotedGuard(name)}(''::text, '{}'::text[], '{}'::jsonb, NULL::jsonb)`);
    return null;
  } catch (error) {
    if (!unresolved.includes(codeOf(error))) return null;
    return (
      `${name} refers to something that does not exist on an empty search_path (${codeOf(error)}); qualify its names ` +
      'with their schema, or add "SET search_path = ..." to the function'
    );
  } finally {
    await query('ROLLBACK TO SAVEPOINT herald_guard');
    await query('RELEASE SAVEPOINT herald_guard');
  }
}
