/** Turns what our SQL functions say about their input into InvalidNotificationError. */
import { InvalidNotificationError, type Issue } from '../errors.ts';

/**
 * Runs work and passes all errors through untouched, except those of our SQL functions (codes HE001 to HE006).
 * @throws {InvalidNotificationError} in place of those.
 */
export async function withClearErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const issue = issueOfSqlError(error);
    if (issue === null) throw error;
    // Without the cause: Drizzle's error quotes every parameter, addresses included.
    throw new InvalidNotificationError([issue]);
  }
}

/**
 * Throws the refusal that `herald.enqueue` returned in place of messages. An error would have aborted the caller's
 * transaction, and COMMIT after it silently rolls back.
 * @throws {InvalidNotificationError} if the rows are a refusal.
 */
export function throwRefusal(rows: readonly { method: string; status: string; reason: string | null }[]): void {
  const [first] = rows;
  if (first?.status !== 'refused') return;
  const message = (first.reason ?? '').replace(/^herald: /, '');
  throw new InvalidNotificationError([{ path: first.method, message }]);
}

/** Drizzle wraps the driver's error, and its message quotes all parameters. The cause is what Postgres said. */
function issueOfSqlError(error: unknown): Issue | null {
  for (let at = error; typeof at === 'object' && at !== null; at = 'cause' in at ? at.cause : null) {
    if (!/^HE\d{3}$/.test(textOf(at, 'code'))) continue;
    const message = textOf(at, 'message').replace(/^herald: /, '');
    const hint = textOf(at, 'hint');
    // pg calls the field `column`, postgres-js `column_name`.
    const path = textOf(at, 'column') || textOf(at, 'column_name');
    return { path, message: hint ? `${message}. ${hint}` : message };
  }
  return null;
}

function textOf(from: object, field: string): string {
  const value: unknown = Reflect.get(from, field);
  return typeof value === 'string' ? value : '';
}
