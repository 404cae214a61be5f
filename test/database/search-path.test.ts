/** Where any role may create functions in "public", as up to PostgreSQL 14, the owner of the tables calls none of them. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { applyRoles, rolesScript } from '../../src/database/roles.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase({ empty: true });

/** Overloads that fit better than the built-in functions, or as well, and what each returns. */
const overloads: readonly (readonly [signature: string, returns: string, result: string])[] = [
  ['format(text, text)', 'text', 'pg_catalog.format($1, VARIADIC ARRAY[$2])'],
  ['format(text, regclass)', 'text', 'pg_catalog.format($1, VARIADIC ARRAY[$2::text])'],
  ['format(text, text, name)', 'text', 'pg_catalog.format($1, VARIADIC ARRAY[$2, $3::text])'],
  ['quote_ident(information_schema.sql_identifier)', 'text', 'pg_catalog.quote_ident($1::text)'],
  ['quote_ident(name)', 'text', 'pg_catalog.quote_ident($1::text)'],
  ['has_schema_privilege(regrole, oid, text)', 'boolean', 'true'],
  ['pg_try_advisory_xact_lock(text)', 'boolean', 'true'],
  ['equals(oid, regclass)', 'boolean', 'pg_catalog.oideq($1, $2::oid)'],
];

test('migrate and the script of the roles call nothing that another role created', async () => {
  const thief = `thief_${randomBytes(4).toString('hex')}`;
  const { pool } = database;
  await pool.query(`GRANT CREATE ON SCHEMA public TO PUBLIC; CREATE ROLE ${thief} LOGIN PASSWORD 'x'`);
  onTestFinished(async () => void (await pool.query(`DROP OWNED BY ${thief} CASCADE; DROP ROLE ${thief}`)));
  const url = Object.assign(new URL(database.url), { username: thief, password: 'x' });
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query('CREATE TABLE public.called (name text); GRANT INSERT ON public.called TO PUBLIC');
  for (const [signature, returns, result] of overloads)
    await client.query(`CREATE FUNCTION public.${signature} RETURNS ${returns} LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.called VALUES ('${signature}'); RETURN ${result}; END $$`);
  await client.query('CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = public.equals)');
  await client.end();

  await migrate(database.url);
  await applyRoles(database.url);
  await migrate(database.url, { methods: ['sms'] });
  // As an administrator applies what "migrate --roles --print" printed.
  await pool.query(rolesScript());
  expect((await pool.query('SELECT DISTINCT name FROM public.called')).rows).toEqual([]);
  const { rows } = await pool.query('SELECT DISTINCT current_setting($1) AS path FROM generate_series(1, 10)', [
    'search_path',
  ]);
  expect(rows).toEqual([{ path: '"$user", public' }]);
});
