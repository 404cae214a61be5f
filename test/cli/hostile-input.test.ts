/** Words that are names of JavaScript's own objects are words like any other: unknown, and named in the error. */
import { expect, test } from 'vitest';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { meaningOf } from '../../src/operate/reason-text.ts';
import { parseWhere } from '../../src/cli/where.ts';
import type { Reason } from '../../src/vocabulary.ts';
import { runCli } from './support.ts';

const names = Object.getOwnPropertyNames(Object.prototype);
const database = useDatabase({
  templates: { greeting: greetingFile },
  prepare: (pool) =>
    pool.query(`SELECT herald.enqueue('greeting', '{"id": "1", "email": "a@example.com"}', labels => '{"who": "x"}')`),
});

test.each(names)('"%s" is not a condition, a status or a reason', (name) => {
  const now = new Date();
  expect(() => parseWhere([`${name}=x`], now)).toThrow(`invalid condition "${name}=x": expected status=`);
  expect(() => parseWhere([`status=${name}`], now)).toThrow(`unknown status "${name}": expected one of pending`);
  expect(() => parseWhere([`reason=${name}`], now)).toThrow(`unknown reason "${name}": expected one of`);
  expect(meaningOf(name as Reason)).toBe(name.replaceAll('_', ' '));
});

test('such a condition selects nothing, and changes nothing', { timeout: 60_000 }, async () => {
  const env = { DATABASE_URL: database.url };
  for (const words of [
    ['cancel', '--where', 'constructor=x', '--yes'],
    ['retry', '--where', '__proto__=x', '--yes'],
    ['toString'],
    ['help', 'constructor'],
    ['endpoints', 'add', 'https://example.com', '--format', 'constructor'],
    ['completion', 'toString'],
    ['templates', 'show', 'constructor'],
    ['methods', 'disable', '__proto__'],
    ['pause', 'constructor', '--why', 'x'],
  ])
    expect(await runCli(words, env), words.join(' ')).toMatchObject({ code: 2, out: '' });
  expect((await database.pool.query('SELECT status FROM herald.message')).rows).toEqual([{ status: 'pending' }]);
});

test.each([
  [['status=faild'], 'did you mean "failed"?'],
  [['reason=no_such_recipent'], 'did you mean "no_such_recipient"?'],
  [['templte=x'], 'did you mean "template"?'],
])('a mistyped condition %j gets a suggestion', (words, text) => {
  expect(() => parseWhere(words, new Date())).toThrow(text);
});
