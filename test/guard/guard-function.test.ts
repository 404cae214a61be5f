/** `templates sync` refuses a guard that a worker could not ask, and says what is wrong with it. */
import { expect, test } from 'vitest';
import { applyRoles } from '../../src/database/roles.ts';
import { askInParts } from '../../src/guard/parts.ts';
import { parseTemplate } from '../../src/templates/template-file.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase({
  prepare: (pool) =>
    pool.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.thing (id text);
    CREATE FUNCTION app.good(text, text[], jsonb, jsonb) RETURNS text STABLE LANGUAGE sql AS $$ SELECT NULL::text $$;
    CREATE FUNCTION app.raising(text, text[], jsonb, jsonb) RETURNS text STABLE LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'not for nothing'; END $$;
    CREATE FUNCTION app.short(text, text[]) RETURNS text STABLE LANGUAGE sql AS $$ SELECT NULL::text $$;
    CREATE FUNCTION app.boolean(text, text[], jsonb, jsonb) RETURNS boolean STABLE LANGUAGE sql AS $$ SELECT true $$;
    CREATE FUNCTION app.volatile(text, text[], jsonb, jsonb) RETURNS text LANGUAGE sql AS $$ SELECT NULL::text $$;
    SET check_function_bodies = off;
    CREATE FUNCTION app.unqualified(text, text[], jsonb, jsonb) RETURNS text STABLE LANGUAGE sql AS
      $$ SELECT id FROM thing $$;
    RESET check_function_bodies`),
});

const withGuard = (guard: string) => greetingFile.replace('group:', `guard: ${guard}\ngroup:`);
const sync = (guard: string) => putTemplates(database.pool, { greeting: withGuard(guard) });

test.each([
  ['app.missing', /there is no function app\.missing\(text, text\[\], jsonb, jsonb\); create it/],
  ['app.short', /only app\.short\(text, text\[\]\); correct its arguments/],
  ['app.boolean', /returns boolean; it must return text/],
  ['app.volatile', /is VOLATILE; declare it STABLE/],
  ['app.unqualified', /does not exist on an empty search_path \(42P01\); qualify its names/],
])('sync refuses %s, and stores nothing', async (guard, message) => {
  await expect(sync(guard)).rejects.toThrow(message);
  await expect(sync(guard)).rejects.toThrow(/^template greeting: guard: /);
  const { rowCount } = await database.pool.query(`SELECT FROM herald.template WHERE guard = $1`, [guard]);
  expect(rowCount).toBe(0);
});

test('sync takes a guard that can be asked, also one that cannot judge a message of nothing', async () => {
  await sync('app.raising');
  await sync('app.good');
  const { rows } = await database.pool.query(`SELECT guard FROM herald.template WHERE name = 'greeting'`);
  expect(rows).toEqual([{ guard: 'app.good' }]);
  await putTemplates(database.pool, { greeting: greetingFile });
  const { rowCount } = await database.pool.query('SELECT FROM herald.template WHERE guard IS NOT NULL');
  expect(rowCount).toBe(0);
});

test('sync names the grants that the role of the workers lacks', async () => {
  await applyRoles(database.url);
  await expect(sync('app.good')).rejects.toThrow(/"GRANT USAGE ON SCHEMA app TO herald_worker"/);
  await database.pool.query('GRANT USAGE ON SCHEMA app TO herald_worker');
  await sync('app.good');
});

test.each(['may_notify', 'app.May_Notify', 'app.may_notify()', 'a.b.c', 'app."x"; DROP'])(
  'the header refuses %s as a name',
  (guard) => {
    const { source, issues } = parseTemplate('greeting.md', withGuard(JSON.stringify(guard)));
    expect(source).toBeNull();
    expect(issues.map(({ message }) => message)).toEqual([expect.stringContaining('"guard" must be schema.function')]);
  },
);

test('a batch is halved until the message that cannot be asked about stands alone', async () => {
  const ids = Array.from({ length: 100 }, (_, i) => `m${i}`);
  const asked: number[] = [];
  const { answers, failed } = await askInParts(ids, async (some) => {
    asked.push(some.length);
    if (some.includes('m77')) throw Object.assign(new Error(), { code: 'P0001' });
    return some;
  });
  expect([...failed]).toEqual([['m77', 'P0001']]);
  expect(answers).toHaveLength(99);
  expect(asked.length).toBeLessThan(20);
});

test('one message that lets each question time out keeps few of its batch waiting', async () => {
  let time = 0;
  const { answers, failed } = await askInParts(
    Array.from({ length: 500 }, (_, i) => `m${i}`),
    async (some) => {
      time += some.includes('m0') ? 500 : 5;
      if (some.includes('m0')) throw Object.assign(new Error(), { code: '57014' });
      return some;
    },
    () => time,
  );
  expect(failed.size).toBeLessThan(40);
  expect(answers).toHaveLength(500 - failed.size);
});

test.each([
  ['nothing works', 'P0001', 24],
  ['the function is missing', '42883', 1],
  ['the connection is lost', 'ECONNRESET', 1],
])('where %s, the questions are bounded and every message waits', async (_, code, most) => {
  const ids = Array.from({ length: 500 }, (__, i) => `m${i}`);
  let questions = 0;
  const { answers, failed } = await askInParts(ids, async () => {
    questions += 1;
    throw Object.assign(new Error(), { code });
  });
  expect(questions).toBe(most);
  expect(answers).toEqual([]);
  expect(failed.size).toBe(500);
});

test('a batch is asked about for three seconds, and what is left waits', async () => {
  let time = 0;
  const { failed } = await askInParts(
    Array.from({ length: 64 }, (_, i) => `m${i}`),
    async () => {
      time += 500;
      throw Object.assign(new Error(), { code: '57014' });
    },
    () => time,
  );
  expect(time).toBe(3000);
  expect(failed.size).toBe(64);
});
