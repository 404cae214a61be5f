/** The name of a guard: a SQL function of the application. Pure. */

/** `schema.function`, each in lower case, so that no name needs quotes and none depends on a search path. */
export const guardNamePattern = /^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$/;

/** Arguments of a template's guard, as Postgres writes them. */
export const guardArguments = 'text, text[], jsonb, jsonb';

/**
 * The name as an identifier of SQL.
 *
 * @throws {TypeError} if it is not the name of a guard.
 */
export function quotedGuard(name: string): string {
  if (!guardNamePattern.test(name)) throw new TypeError('the name of a guard must be schema.function');
  return name
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
}
