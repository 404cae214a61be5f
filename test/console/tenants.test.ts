/** Tenants on the console: their pages, and previews and test emails in their name. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { showTenant } from '../../src/operate/tenants.ts';
import { brand, greetingFile } from '../support/application.ts';
import { audits, type Client, createClient, useConsoleDatabase } from './support.ts';

const file = greetingFile.replace('title: Hello {{labels.who}}', 'title: Hello from {{appName}}');
const database = useConsoleDatabase({
  templates: { greeting: `${file}\n{{date "2026-11-27T12:00:00Z" style="full"}}\n` },
});
let client: Client;
beforeAll(() => {
  client = createClient(database, { brand });
});
afterAll(() => client.close());

const labs = {
  id: 'labs & co',
  appName: 'Labs',
  color: '#7a1fa2',
  logoUrl: 'https://labs.example/logo.png',
  logoWidth: '120',
  footer: 'Labs GmbH, Ring 1, Vienna\nhelp@labs.example',
  locale: 'de_AT',
  timeZone: 'Europe/Vienna',
};

describe('a tenant', () => {
  test('is set on its page, listed, and removed, each on record', async () => {
    expect(await client.see('/tenants')).toContain('No tenant has anything of its own.');
    expect(await client.see('/tenants/one?id=labs+%26+co')).toContain('It has nothing of its own yet.');
    const saved = await client.submit('/tenants/set', labs);
    expect(saved.headers.get('location')).toBe('/tenants/one?id=labs+%26+co');
    expect(await showTenant(database.pool, 'labs & co')).toMatchObject({
      brand: {
        appName: 'Labs',
        color: '#7a1fa2',
        logoUrl: 'https://labs.example/logo.png',
        logoWidth: 120,
        footer: ['Labs GmbH, Ring 1, Vienna', 'help@labs.example'],
      },
      locale: 'de-AT',
      sender: null,
    });
    const page = await client.see('/tenants/one?id=labs+%26+co');
    expect(page).toContain('Saved.');
    expect(page).toContain('value="#7a1fa2"');
    expect(await client.see('/tenants')).toContain('<a href="/tenants/one?id=labs+%26+co">labs &amp; co</a>');
    await client.submit('/tenants/set', { ...labs, color: '' });
    expect((await showTenant(database.pool, 'labs & co'))?.brand.color).toBeUndefined();
    await client.submit('/tenants/remove', { id: 'labs & co' });
    expect(await showTenant(database.pool, 'labs & co')).toBe(null);
    expect(await audits(database)).toMatchObject([
      { action: 'tenants set', subject: 'labs & co' },
      { action: 'tenants set' },
      { action: 'tenants remove' },
    ]);
  });

  test('is refused with what is wrong, and nothing is written', async () => {
    await client.see('/tenants/one?id=bad');
    const refused = await client.submit('/tenants/set', { id: 'bad', color: 'red' });
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('is not a colour such as #0b5cad');
    expect((await client.submit('/tenants/set', { id: 'bad', logoWidth: 'wide' })).status).toBe(403);
    expect(await showTenant(database.pool, 'bad')).toBe(null);
  });

  test('cannot be changed by a read-only operator, who sees what it has', async () => {
    await client.see('/tenants/one?id=labs+%26+co');
    await client.submit('/tenants/set', labs);
    const readOnly = createClient(database, { brand, readOnly: true });
    const page = await readOnly.see('/tenants/one?id=labs+%26+co');
    expect(page).toContain('Labs GmbH, Ring 1, Vienna');
    expect(page).not.toContain('<textarea');
    expect((await readOnly.submit('/tenants/remove', { id: 'labs & co' })).status).toBe(403);
    await readOnly.close();
  });
});

test('a preview and a test email are those of the tenant', async () => {
  await client.see('/tenants/one?id=labs+%26+co');
  await client.submit('/tenants/set', labs);
  const query = 'tenant=labs+%26+co';
  const frame = await client.see(`/templates/greeting/frame?${query}`);
  expect(frame).toContain('Hello from Labs');
  expect(frame).toContain('width="120"');
  expect(frame).toContain('Labs GmbH, Ring 1, Vienna');
  expect(frame).toMatch(/27 November 2026 at 13:00/);
  expect(await client.see('/templates/greeting/frame?tenant=unknown')).toContain('Hello from Acme');
  const preview = await client.see(`/templates/greeting/preview?${query}`);
  expect(preview).toContain('<input type="hidden" name="tenant" value="labs &amp; co">');
  const sent = await client.submit('/templates/greeting/test', { to: 'me@example.com', tenant: 'labs & co', data: '' });
  const message = sent.headers.get('location') ?? '';
  expect(message).toMatch(/^\/messages\//);
  const { rows } = await database.pool.query('SELECT tenant, recipient FROM herald.message');
  expect(rows).toMatchObject([{ tenant: 'labs & co', recipient: { locale: 'de-AT', timeZone: 'Europe/Vienna' } }]);
  // And so are the list of messages, the page of the message, and its email.
  expect(await client.see('/messages')).toContain('Hello from Labs');
  expect(await client.see(`${message}/frame`)).toContain('Labs GmbH, Ring 1, Vienna');
});
