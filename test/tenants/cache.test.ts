/** How long a worker remembers the settings of a tenant, and what it does with a row that it cannot use. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { brandOf, type StoredTenant } from '../../src/tenants/tenant.ts';
import { createTenants } from '../../src/tenants/tenants.ts';
import { brand, keepingLogger } from '../support/application.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function reading(rows: Map<string, StoredTenant>) {
  const reads: string[] = [];
  const logger = keepingLogger();
  const tenants = createTenants(
    async (id) => {
      reads.push(id);
      const row = rows.get(id);
      return row === undefined ? [] : [row];
    },
    { brand, logger },
  );
  return { tenants, reads, logger };
}

describe('the settings of a tenant', () => {
  test('are read once in 5 seconds, also for a tenant without a row, and never for no tenant', async () => {
    const rows = new Map<string, StoredTenant>([['acme', { brand: { appName: 'Acme Labs' }, sender: 'labs' }]]);
    const { tenants, reads } = reading(rows);
    expect(tenants.settingsOf(null)).toEqual({ brand, sender: null });
    expect(reads).toEqual([]);
    const all = await Promise.all([tenants.settingsOf('acme'), tenants.settingsOf('acme'), tenants.settingsOf('none')]);
    expect(all.map((one) => [one.brand.appName, one.sender])).toEqual([
      ['Acme Labs', 'labs'],
      ['Acme Labs', 'labs'],
      ['Acme', null],
    ]);
    rows.set('acme', { brand: { appName: 'Renamed' }, sender: null });
    rows.set('none', { brand: { color: '#112233' }, sender: null });
    expect((await tenants.settingsOf('acme')).brand.appName).toBe('Acme Labs');
    await tenants.settingsOf('none');
    expect(reads).toEqual(['acme', 'none']);
    vi.advanceTimersByTime(5000);
    expect((await tenants.settingsOf('acme')).brand.appName).toBe('Renamed');
    expect((await tenants.settingsOf('none')).brand).toEqual({ ...brand, color: '#112233' });
    expect(reads).toEqual(['acme', 'none', 'acme', 'none']);
  });

  test('that could not be read are read again with the next message', async () => {
    let away = true;
    const read = async () => {
      if (away) throw new Error('away');
      return [{ brand: {}, sender: 'labs' }];
    };
    const tenants = createTenants(read, { brand, logger: keepingLogger() });
    await expect(tenants.settingsOf('acme')).rejects.toThrow('away');
    away = false;
    expect(await tenants.settingsOf('acme')).toEqual({ brand, sender: 'labs' });
  });

  test('forget the least recently used of more than 1,000 tenants', async () => {
    const { tenants, reads } = reading(new Map());
    for (let n = 0; n < 1001; n++) await tenants.settingsOf(`t${n}`);
    await tenants.settingsOf('t1000');
    expect(reads).toHaveLength(1001);
    await tenants.settingsOf('t0');
    expect(reads).toHaveLength(1002);
  });

  test.each<[string, unknown]>([
    ['a colour in words', { appName: 'Acme Labs', color: 'red' }],
    ['a script as URL', { appName: 'Acme Labs', baseUrl: 'javascript:alert(1)' }],
    ['a field of a later release', { appName: 'Acme Labs', font: 'Comic' }],
    ['a footer of two lines in one', { appName: 'Acme Labs', footer: ['a\nb'] }],
  ])('keep the valid fields of a row with %s, and warn', async (_, stored) => {
    const { tenants, logger } = reading(new Map([['acme', { brand: stored, sender: null }]]));
    expect((await tenants.settingsOf('acme')).brand).toEqual({ ...brand, appName: 'Acme Labs' });
    const [field] = Object.keys(stored as object).filter((name) => name !== 'appName');
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        fields: { tenant: 'acme', fields: [field] },
        message: expect.stringContaining('invalid fields'),
      },
    ]);
  });
});

describe('the brand of a tenant', () => {
  const application = {
    ...brand,
    logoUrl: 'https://acme.example/logo.png',
    logoWidth: 90,
    color: '#0b5cad',
    footer: ['Acme Inc, 1 Main Street'],
  };

  test('has what the tenant does not set from the application', () => {
    expect(brandOf(application, { color: '#aa0000' })).toEqual({ ...application, color: '#aa0000' });
  });

  test('shows no logo of the application beside a name of its own', () => {
    expect(brandOf(application, { appName: 'Labs' })).toEqual({
      appName: 'Labs',
      baseUrl: brand.baseUrl,
      color: '#0b5cad',
      footer: ['Acme Inc, 1 Main Street'],
    });
    const own = { appName: 'Labs', logoUrl: 'https://labs.example/logo.png' };
    expect(brandOf(application, own)).toMatchObject(own);
  });
});

describe('the brand of a tenant', () => {
  const application = { ...brand, logoUrl: 'https://acme.example/l.png', logoDarkUrl: 'https://acme.example/d.png' };

  test.each([{ appName: 'Labs' }, { logoUrl: 'https://labs.example/l.png' }])(
    'with %j has no logo of the application beside it',
    (own) => {
      expect(brandOf({ ...application, logoWidth: 120, logoHeight: 40 }, own)).toEqual({ ...brand, ...own });
    },
  );

  test.each([
    { baseUrl: 'https://user:secret@labs.example' },
    { appName: 'Labs \u202e' },
    { footer: ['\u2067elpmaxe'] },
  ])('ignores the stored field %j, and logs its name without its value', async (stored) => {
    const { tenants, logger } = reading(new Map([['labs', { brand: stored, sender: null }]]));
    expect((await tenants.settingsOf('labs')).brand).toEqual(brand);
    expect(JSON.stringify(logger.lines)).toContain(Object.keys(stored)[0]);
    expect(JSON.stringify(logger.lines)).not.toContain('secret');
  });
});
