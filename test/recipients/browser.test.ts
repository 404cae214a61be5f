/** The recipients' pages in a real browser, as a person uses them: without script, on a phone, in the dark. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nodeListener } from '../../src/recipients/index.ts';
import { findChromium, launch } from '../support/chromium.ts';
import { preferencesLink, received, unsubscribeLink, useRecipientPages } from './support.ts';

const executable = findChromium();
if (executable === null) console.warn('no Chromium on this machine: the tests of the recipient pages are skipped');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(executable === null)('in a browser', { timeout: 60_000 }, () => {
  const { database, pages } = useRecipientPages();
  let browser: Browser;
  let server: Server;
  const problems: string[] = [];

  beforeAll(async () => {
    browser = await launch(executable ?? '');
    server = createServer(nodeListener(pages()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(problems.splice(0)).toEqual([]);
  });

  /** What the browser complains about fails the test: a refused style, a broken address. */
  async function open(link: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.on('console', (message) => void (message.type() === 'error' && problems.push(message.text())));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}${new URL(link).pathname}`);
    return page;
  }

  test('a person without script unsubscribes, undoes it, and goes on to the preferences', async () => {
    const page = await open(unsubscribeLink('ada'), { javaScriptEnabled: false });
    await page.getByRole('button', { name: 'Unsubscribe' }).click();
    await page.getByRole('heading', { name: 'You are unsubscribed' }).waitFor();
    expect(await received(database, 'ada')).not.toContain('report smtp');
    await page.reload();
    await page.getByRole('heading', { name: 'You are unsubscribed' }).waitFor();
    await page.getByRole('button', { name: 'Subscribe again' }).click();
    await page.getByRole('heading', { name: 'You are subscribed again' }).waitFor();
    expect(await received(database, 'ada')).toContain('report smtp');
    await page.getByRole('link', { name: 'Choose what you receive' }).click();
    const reports = page.getByRole('group', { name: 'Reports' });
    await reports.getByLabel('Email').uncheck();
    await page.getByRole('group', { name: 'News & more' }).getByLabel('Email').check();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('status').getByText('Your choices are saved.').waitFor();
    expect(await reports.getByLabel('Email').isChecked()).toBe(false);
    expect(await received(database, 'ada')).toEqual(['invoice smtp', 'news smtp', 'password smtp', 'report webhook']);
  });

  const phone = { viewport: { width: 320, height: 640 } };
  test.each([
    ['light', {}],
    ['dark', { colorScheme: 'dark' }],
    ['on a phone', phone],
    ['on a phone, in the dark, from right to left', { ...phone, colorScheme: 'dark', locale: 'ar' }],
    ['with forced colours', { forcedColors: 'active' }],
  ] as const)('every page is accessible and fits its window: %s', async (_, options) => {
    for (const link of [unsubscribeLink('kim'), preferencesLink('kim'), `${unsubscribeLink('kim')}x`]) {
      const page = await open(link, options);
      if (link.endsWith('x')) problems.length = 0;
      await page.evaluate(axe);
      const { violations } = await page.evaluate<AxeResults>('axe.run()');
      expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
      const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
      expect(overflow, link).toBeLessThanOrEqual(0);
    }
  });
});
