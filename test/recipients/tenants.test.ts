/** The pages of recipients in the brand of the tenant that a link belongs to. */
import { createHash } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { setTenant } from '../../src/operate/tenants.ts';
import { contrast } from '../../src/templates/contrast.ts';
import { linkTo, useRecipientPages } from './support.ts';

const { database, pages } = useRecipientPages();
beforeAll(() =>
  setTenant(database.pool, 'labs', {
    brand: {
      appName: 'Labs',
      baseUrl: 'https://labs.example',
      color: '#fde047',
      logoUrl: 'https://labs.example/l.png',
    },
  }),
);

async function open(tenant: string | null) {
  const link = linkTo('unsubscribe', { recipientId: 'ada', tenant, template: 'report', method: 'smtp' });
  const response = await pages().fetch(new Request(link));
  return { html: await response.text(), policy: response.headers.get('content-security-policy') ?? '' };
}

test('a page has the name, the logo, the colour and the address of the tenant of its link', async () => {
  const { html, policy } = await open('labs');
  expect(html).toContain('<img src="https://labs.example/l.png" height="36" alt="Labs">');
  expect(html).toContain('<a href="https://labs.example"');
  expect(policy).toContain('img-src https://labs.example;');
  const [, style = ''] = /<style>([^]*?)<\/style>/.exec(html) ?? [];
  expect(policy).toContain(`'sha256-${createHash('sha256').update(style).digest('base64')}'`);
  const accents = [...style.matchAll(/--accent: (#\w+); --on-accent: (#\w+);/g)];
  const [light, dark] = accents.slice(-2);
  expect(contrast(light?.[1] ?? '', '#ffffff')).toBeGreaterThanOrEqual(4.5);
  expect(contrast(dark?.[1] ?? '', '#161b22')).toBeGreaterThanOrEqual(4.5);
  for (const [, accent = '', ink = ''] of [light ?? [], dark ?? []])
    expect(contrast(accent, ink)).toBeGreaterThanOrEqual(4.5);
});

test.each([['unknown'], [null]])('the page of tenant %s is that of the application', async (tenant) => {
  const { html } = await open(tenant);
  expect(html).toContain('<bdi>Acme</bdi>');
  expect(html).not.toContain('labs.example');
});

test('a page is shown in the name of the application while the database is away', async () => {
  const link = linkTo('unsubscribe', { recipientId: 'ada', tenant: 'labs', template: 'report', method: 'smtp' });
  const away = { query: () => Promise.reject(new Error('away')) };
  const response = await pages({ pool: away as never }).fetch(new Request(link));
  expect(response.status).toBe(503);
  expect(await response.text()).toContain('<bdi>Acme</bdi>');
});
