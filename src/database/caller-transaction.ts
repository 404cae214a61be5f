/** What `tx` may be. The only place that knows how each driver runs a statement in the caller's transaction. */
import { InvalidNotificationError } from '../errors.ts';
import { joinSql, type SqlPart } from './drizzle-sql.ts';

/** A Drizzle transaction (node-postgres, postgres-js, PGlite). A Drizzle database has no `rollback`. */
export interface DrizzleTransaction {
  /** Runs a `sql` query. */
  execute(query: never): PromiseLike<unknown>;
  /** Only a transaction has it. */
  rollback(): never;
}

/** A `pg` client after `BEGIN`, or a PGlite transaction. Neither a pool nor a PGlite instance. */
export interface QueryTransaction {
  /** Runs a statement with `$1`... and returns its rows. */
  query(text: string, values: unknown[]): PromiseLike<{ rows: unknown[] }>;
  /** A `pg` pool has it, and runs each statement in a transaction of its own. */
  readonly totalCount?: never;
  /** A PGlite instance has it. */
  readonly transaction?: never;
}

/** The `sql` that postgres-js passes to the function of `begin`. */
export interface UnsafeTransaction {
  /** Runs a statement with `$1`... and returns its rows. */
  unsafe(text: string, values: never[]): PromiseLike<unknown>;
  /** Only the `sql` of a transaction has it. */
  readonly savepoint: unknown;
}

/** One of pg-boss's adapters, for example `fromKysely(trx)`. */
export interface AdapterTransaction {
  /** Runs a statement with `$1`... and returns its rows. */
  executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

/** The caller's open transaction, of whatever driver. */
export type Transaction = DrizzleTransaction | QueryTransaction | UnsafeTransaction | AdapterTransaction;

/**
 * A transaction, or what runs each statement in a transaction of its own: a Drizzle database, a `pg` pool, the `sql` of
 * postgres-js, a PGlite instance.
 */
export type Connection =
  | Pick<DrizzleTransaction, 'execute'>
  | Pick<QueryTransaction, 'query'>
  | Pick<UnsafeTransaction, 'unsafe'>
  | AdapterTransaction;

/** A statement whose parameters are all text; `$1` is the first. The SQL text casts them. */
export interface Statement {
  readonly text: string;
  readonly values: readonly (string | null)[];
}

/**
 * Runs one statement on the caller's connection and returns its rows.
 * @throws {InvalidNotificationError} if `tx` is none of the supported kinds.
 */
export async function run<Row>(tx: Connection, statement: Statement): Promise<Row[]> {
  if (hasMethod(tx, 'executeSql')) return rowsOf(await tx.executeSql(statement.text, [...statement.values]));
  // Drizzle first: its databases have a `query` too, but an object of relations.
  if (hasMethod(tx, 'execute')) return runDrizzle(tx, partsOf(statement));
  if (hasMethod(tx, 'unsafe')) return rowsOf(await tx.unsafe(statement.text, [...statement.values] as never[]));
  if (hasMethod(tx, 'query')) return rowsOf(await tx.query(statement.text, [...statement.values]));
  throw new InvalidNotificationError([
    {
      path: 'tx',
      message:
        'is not a transaction; pass a Drizzle transaction, a pg client, a postgres-js transaction, ' +
        'a PGlite transaction or an adapter of pg-boss',
    },
  ]);
}

/** Runs a query of Drizzle in the caller's transaction and returns its rows. */
export async function runDrizzle<Row>(
  tx: Pick<DrizzleTransaction, 'execute'>,
  parts: readonly SqlPart[],
): Promise<Row[]> {
  return rowsOf(await tx.execute((await joinSql(parts)) as never));
}

/** Splits a statement at its placeholders. */
function partsOf({ text, values }: Statement): SqlPart[] {
  return text
    .split(/\$(\d+)/)
    .map((part, index) => (index % 2 === 0 ? { text: part } : { value: values[Number(part) - 1] ?? null }));
}

function hasMethod<Name extends string>(
  value: unknown,
  name: Name,
): value is Record<Name, (...input: unknown[]) => unknown> & Extract<Connection, Record<Name, unknown>> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    name in value &&
    typeof Reflect.get(value, name) === 'function'
  );
}

function rowsOf<Row>(result: unknown): Row[] {
  if (Array.isArray(result)) return [...result];
  if (typeof result === 'object' && result !== null && 'rows' in result && Array.isArray(result.rows))
    return result.rows;
  return [];
}
