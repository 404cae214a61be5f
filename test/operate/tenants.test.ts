/** Tenants, managed from code. */
import { describe, expect, test } from 'vitest';
import { listTenants, removeTenant, setTenant, showTenant } from '../../src/index.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase();

describe('a tenant', () => {
  test('is set field by field; what is not given stays, null removes', async () => {
    const { pool } = database;
    const first = await setTenant(pool, 'acme', {
      brand: { appName: 'Acme', color: '#0B5CAD', footer: ['Acme Inc'] },
      sender: 'acme',
      locale: 'pt_br',
      timeZone: 'America/Sao_Paulo',
    });
    expect(first).toEqual({
      id: 'acme',
      brand: { appName: 'Acme', color: '#0B5CAD', footer: ['Acme Inc'] },
      sender: 'acme',
      locale: 'pt-BR',
      timeZone: 'America/Sao_Paulo',
      createdAt: expect.any(Date),
      updatedAt: expect.any(Date),
    });
    const second = await setTenant(pool, 'acme', {
      brand: { color: null, logoUrl: 'https://acme.example/l.png' },
      locale: null,
    });
    expect(second).toEqual({
      ...first,
      brand: { appName: 'Acme', footer: ['Acme Inc'], logoUrl: 'https://acme.example/l.png' },
      locale: null,
      updatedAt: expect.any(Date),
    });
    expect(await showTenant(pool, 'acme')).toEqual(second);
    expect(await removeTenant(pool, 'acme')).toBe(true);
    expect(await removeTenant(pool, 'acme')).toBe(false);
    expect(await showTenant(pool, 'acme')).toBe(null);
  });

  test('is listed by id, page by page', async () => {
    const { pool } = database;
    for (const id of ['b', 'a', 'Z', 'ä']) await setTenant(pool, id, {});
    expect((await listTenants(pool)).map(({ id }) => id)).toEqual(['Z', 'a', 'b', 'ä']);
    expect((await listTenants(pool, { after: 'Z', limit: 2 })).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  test.each<[string, string, object, RegExp]>([
    ['an empty id', '', {}, /^setTenant: id: is empty/],
    ['an id of two lines', 'a\nb', {}, /^setTenant: id: must be one line/],
    ['an unknown setting', 'a', { colour: 'red' }, /^setTenant: colour: /],
    ['a colour in words', 'a', { brand: { color: 'red' } }, /^brand\.color: "red" is not a colour such as #0b5cad/],
    ['an unknown field', 'a', { brand: { name: 'A' } }, /^brand\.name: is not a field of a brand; known: appName, /],
    ['a relative URL', 'a', { brand: { logoUrl: 'l.png' } }, /^brand\.logoUrl: "l\.png" is not an absolute URL/],
    ['a logo of no width', 'a', { brand: { logoWidth: 0 } }, /^brand\.logoWidth: 0 is not a whole number of pixels/],
    ['six lines', 'a', { brand: { footer: Array(6).fill('x') } }, /^brand\.footer: must be a list of 5 lines at most/],
    ['an empty line', 'a', { brand: { footer: [' '] } }, /^brand\.footer\.0: must be one line of 1 to 200 characters/],
    ['a sender in capitals', 'a', { sender: 'Acme' }, /^setTenant: sender: must be a name of a-z/],
    ['a language that is none', 'a', { locale: 'deutsch!' }, /^setTenant: locale: "deutsch!" is not a language tag/],
    ['a zone that is none', 'a', { timeZone: 'Mars/Base' }, /^setTenant: timeZone: "Mars\/Base" is not the name of/],
  ])('is refused with %s, before anything is written', async (_, id, change, message) => {
    const before = await listTenants(database.pool);
    await expect(setTenant(database.pool, id, change)).rejects.toThrow(message);
    expect(await listTenants(database.pool)).toEqual(before);
  });
});
