/** The triggers that cancel what is about a row of the application when that row is deleted. */
import type { Queryable } from '../database/pool.ts';
import { ConfigurationError } from '../errors.ts';

/** Which deletions cancel messages. */
export interface CancelWith {
  /** A table of the application, with its schema unless that is `public`. */
  readonly table: string;
  /** The column whose value messages have among their targets; by default the primary key. */
  readonly id?: string | undefined;
  /**
   * A column that marks a row as deleted: null until then, or false. Without it, only DELETE counts.
   */
  readonly soft?: string | undefined;
}

/** The triggers of one table. */
export interface CancelTriggers {
  /** The table with its schema, as SQL writes it. */
  readonly table: string;
  /** The column whose value messages have among their targets. */
  readonly id: string;
  /** The statements that install the triggers. Safe to repeat. */
  readonly install: string;
  /** The statements that remove them. */
  readonly remove: string;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly isKey: boolean;
}

const columnsText = `
SELECT a.attname AS name, t.typname AS type,
  coalesce(i.indnkeyatts = 1 AND i.indkey[0] = a.attnum, false) AS "isKey"
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum`;

const deleteTrigger = 'herald_cancel_with_deleted';
const softTrigger = 'herald_cancel_with_soft_deleted';

/**
 * Returns the statements for a table.
 *
 * @throws {ConfigurationError} if the table or a column does not exist, or it has no primary key of one column.
 */
export async function cancelTriggers(client: Queryable, { table, id, soft }: CancelWith): Promise<CancelTriggers> {
  const place = await placeOf(client, table);
  const { rows: columns } = await client.query<Column>(columnsText, [place]);
  const key = id === undefined ? keyOf(columns, place) : columnOf(columns, id, place).name;
  const marker = soft === undefined ? null : columnOf(columns, soft, place);
  return {
    table: place,
    id: key,
    install: [...removal(place), ...deletions(place, key), ...(marker ? softDeletions(place, key, marker) : [])].join(
      '\n',
    ),
    remove: removal(place).join('\n'),
  };
}

async function placeOf(client: Queryable, table: string): Promise<string> {
  const named = table.includes('.') ? table : `public.${table}`;
  const text = `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS place
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'herald%'`;
  // A name that is not one, such as "a.b.c.d", is an error of Postgres.
  const { rows } = await client.query<{ place: string }>(text, [named]).catch(() => ({ rows: [] }));
  const [found] = rows;
  if (found !== undefined) return found.place;
  throw new ConfigurationError('table', `there is no table ${JSON.stringify(named)} of the application`);
}

function keyOf(columns: readonly Column[], place: string): string {
  const key = columns.find(({ isKey }) => isKey);
  if (key !== undefined) return key.name;
  throw new ConfigurationError('id', `${place} has no primary key of one column; name the column with --id`);
}

function columnOf(columns: readonly Column[], name: string, place: string): Column {
  const column = columns.find((each) => each.name === name);
  if (column !== undefined) return column;
  const known = columns.map((each) => each.name).join(', ');
  throw new ConfigurationError('column', `${place} has no column ${JSON.stringify(name)}; it has ${known}`);
}

function removal(place: string): string[] {
  return [deleteTrigger, softTrigger].map((name) => `DROP TRIGGER IF EXISTS ${name} ON ${place};`);
}

/** One call for a statement, however many rows it deletes. */
function deletions(place: string, id: string): string[] {
  return [
    `CREATE TRIGGER ${deleteTrigger} AFTER DELETE ON ${place}`,
    '  REFERENCING OLD TABLE AS deleted_rows FOR EACH STATEMENT',
    `  EXECUTE FUNCTION herald.cancel_with_deleted(${literal(id)});`,
  ];
}

/** Per row, because its condition costs other updates nothing. */
function softDeletions(place: string, id: string, { name, type }: Column): string[] {
  const column = identifier(name);
  const condition =
    type === 'bool'
      ? `NEW.${column} AND OLD.${column} IS NOT TRUE`
      : `NEW.${column} IS NOT NULL AND OLD.${column} IS NULL`;
  return [
    `CREATE TRIGGER ${softTrigger} AFTER UPDATE ON ${place} FOR EACH ROW`,
    `  WHEN (${condition}) EXECUTE FUNCTION herald.cancel_with_deleted(${literal(id)});`,
  ];
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
