/** Emails in a real browser, light and dark: axe finds nothing, whatever the colour, and a phone shows all of it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderEmail } from '../../src/templates/email.ts';
import { createRenderer } from '../../src/templates/render.ts';
import { findChromium, launch } from '../support/chromium.ts';

const executable = findChromium();
if (executable === null) console.warn('no Chromium on this machine: the tests of emails in a browser are skipped');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Everything that a body may hold. */
const body = `Hi Kim,

Your **build** is [late](https://app.example/late), see \`npm test\`.

> A quotation with a [link](https://app.example/q).

## More

- one
- two

###### Small

\`\`\`
4F9K-27QX-M3TD
\`\`\`

| Template | Builds | Most frequent error |
|:---|--:|:---|
| docker-large | 812 | [no space](https://app.example/s) left on a device with a long name |

---

Bye.`;

function emailIn(color: string | undefined): string {
  const footer = ['Acme Inc, 1 Main Street', 'Questions? Write to help@acme.example.'];
  const brand = { appName: 'Acme', baseUrl: 'https://acme.example', footer, ...(color && { color }) };
  const createdAt = new Date('2026-06-01T00:00:00Z');
  const actions = [
    { label: 'View', url: 'https://app.example/a' },
    { label: 'Settings', url: 'https://app.example/b' },
  ];
  const template = { name: 't', title: 'Two builds failed', body, actions };
  const content = createRenderer()({ template, recipient: { id: 'u' }, labels: {}, data: null, brand, createdAt });
  return renderEmail({ content, brand, createdAt, unsubscribeUrl: 'https://app.example/u' }).html;
}

/** What emails are held to. They are no pages, so they have no landmarks. */
const rules = `{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }`;

describe.skipIf(executable === null)('an email in a browser', { timeout: 120_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(executable ?? '');
  });
  afterAll(() => browser?.close());

  test.each([
    ['no colour', undefined],
    ['black', '#000000'],
    ['a light yellow', '#fff3b0'],
    ['a strong red', '#e11d48'],
  ])('has nothing that axe finds, light and dark: %s', async (_, color) => {
    const context = await browser.newContext({ viewport: { width: 800, height: 900 } });
    const page = await context.newPage();
    await page.setContent(emailIn(color));
    await page.evaluate(axe);
    const found: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations, passes } = await page.evaluate<AxeResults>(`axe.run(${rules})`);
      expect(passes.map(({ id }) => id)).toContain('color-contrast');
      found.push(...violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${colorScheme}: ${id} ${html}`)));
    }
    await context.close();
    expect(found).toEqual([]);
  });

  test('is no wider than a phone', async () => {
    const context = await browser.newContext({ viewport: { width: 320, height: 700 } });
    const page = await context.newPage();
    await page.setContent(emailIn('#e11d48'));
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(320);
    await context.close();
  });
});
