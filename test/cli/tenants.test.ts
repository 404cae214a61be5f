/** `pg-herald tenants`. */
import { expect, test } from 'vitest';
import { useDatabase } from '../support/use-database.ts';
import { runCli } from './support.ts';

const database = useDatabase();
const herald = (...args: string[]) => runCli(args, { DATABASE_URL: database.url, HERALD_OPERATOR: 'grace' });

test('a tenant is set, shown, listed and removed, on record', { timeout: 120_000 }, async () => {
  const brand = ['--name', 'Acme', '--color', '#0b5cad', '--logo-url', 'https://acme.example/l.png'];
  const footer = ['--footer', 'Acme Inc', '--footer', 'support@acme.example'];
  const own = ['--sender', 'acme', '--locale', 'de', '--time-zone', 'Europe/Berlin'];
  const set = await herald('tenants', 'set', 'acme', ...brand, '--logo-width', '120', ...footer, ...own);
  expect(set.out).toContain('Acme Inc / support@acme.example');
  const changed = await herald('tenants', 'set', 'acme', '--unset', 'logo-url', '--unset', 'locale', '--json');
  expect(JSON.parse(changed.out)).toMatchObject({
    id: 'acme',
    brand: { appName: 'Acme', color: '#0b5cad', logoWidth: 120, footer: ['Acme Inc', 'support@acme.example'] },
    sender: 'acme',
    locale: null,
    timeZone: 'Europe/Berlin',
  });
  expect((await herald('tenants', 'list', '--table')).out).toMatch(/acme +Acme +#0b5cad +acme +Europe\/Berlin/);
  expect((await herald('tenants', 'remove', 'acme')).code).toBe(0);
  expect(await herald('tenants', 'show', 'acme')).toMatchObject({ code: 1, err: expect.stringContaining('"acme"') });
  const { rows } = await database.pool.query('SELECT actor, action, subject, detail FROM herald.audit ORDER BY at');
  expect(rows).toMatchObject([
    { action: 'tenants set', subject: 'acme' },
    { action: 'tenants set', detail: { settings: ['locale', 'logoUrl'] } },
    { action: 'tenants remove', subject: 'acme' },
  ]);
});

test.each([
  [['tenants', 'set', 'a'], /nothing to set/],
  [['tenants', 'set', 'a', '--color', 'red'], /"red" is not a colour such as #0b5cad/],
  [['tenants', 'set', 'a', '--unset', 'logo'], /--unset: unknown setting "logo": expected one of name, base-url/],
  [['tenants', 'set', 'a', '--color', '#000000', '--unset', 'color'], /--unset color: it is also given/],
])('%j is refused in one line with exit code 2', { timeout: 60_000 }, async (args, message) => {
  const { code, err } = await herald(...args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
