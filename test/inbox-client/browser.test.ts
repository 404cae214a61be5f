/** `<herald-inbox>` in a real browser, with the real inbox and a real database behind it. */
import { readFileSync } from 'node:fs';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { blocksOf } from '../docs/support/blocks.ts';
import { findChromium, launch } from '../support/chromium.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { bundle } from './bundle.ts';
import { type Application, axe, startApplication, strictPolicy } from './support.ts';

const executable = findChromium();
if (executable === null) console.warn('no Chromium on this machine: the tests of the inbox in a browser are skipped');

const inboxFile = greetingFile.replace(
  'group:',
  'methods: [inbox]\nactions: [{ label: Open it, url: "{{baseUrl}}/greetings" }]\ngroup:',
);

/** The first block of a language in the manual. */
const manual = blocksOf(readFileSync(new URL('../../docs/inbox-client.md', import.meta.url), 'utf8'));
const blockOf = (name: string) => manual.find(({ language }) => language === name)?.text ?? '';

describe.skipIf(executable === null)('in a browser', { timeout: 60_000 }, () => {
  const database = useDatabase({ templates: { greeting: inboxFile } });
  const herald = createHerald();
  let application: Application;
  let browser: Browser;
  let readers = 0;
  const problems: string[] = [];

  beforeAll(async () => {
    [application, browser] = await Promise.all([startApplication(database.pool), launch(executable ?? '')]);
  });
  afterAll(async () => {
    await browser?.close();
    await application?.stop();
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(problems.splice(0)).toEqual([]);
  });

  const enqueue = (id: string, who: string) =>
    herald.enqueue(database.pool, greeting, { autocommit: true, to: { id }, labels: { who } });

  /** Another person with these greetings, the last one the newest, signed in to a browser of their own. */
  async function person(...greetings: readonly string[]): Promise<{ id: string; context: BrowserContext }>;
  async function person(
    options: BrowserContextOptions,
    ...greetings: readonly string[]
  ): Promise<{ id: string; context: BrowserContext }>;
  async function person(first: BrowserContextOptions | string = {}, ...rest: readonly string[]) {
    const id = `reader-${(readers += 1)}`;
    const [options, greetings] = typeof first === 'string' ? [{}, [first, ...rest]] : [first, rest];
    for (const who of greetings) await enqueue(id, who);
    const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, ...options });
    await context.addCookies([{ name: 'reader', value: id, url: application.url }]);
    return { id, context };
  }

  /** What the browser complains about fails the test: a refused style, a request to elsewhere. */
  async function open(context: BrowserContext, path = '/'): Promise<Page> {
    const page = await context.newPage();
    page.on('console', (message) => {
      // A server that is away and a session that has ended are part of these tests.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('request', (request) => void (request.url().startsWith(application.url) || problems.push(request.url())));
    await page.goto(application.url + path);
    return page;
  }

  const bell = (page: Page) => page.getByRole('button', { name: /^(Notifications|الإشعارات)/ });
  const says = (page: Page, text: string) => page.getByRole('button', { name: text, exact: true }).waitFor();
  const unread = async (id: string) =>
    Number(
      (
        await database.pool.query(
          'SELECT count(*) FROM herald.inbox WHERE recipient_id = $1 AND read_at IS NULL AND archived_at IS NULL',
          [id],
        )
      ).rows[0].count,
    );

  /** Copies of a person's only item. */
  async function repeat(id: string, times: number): Promise<void> {
    await database.pool.query(
      `WITH one AS MATERIALIZED (SELECT m, i FROM herald.message m JOIN herald.inbox i ON i.message_id = m.id
         WHERE m.recipient_id = $1),
       ids AS MATERIALIZED (SELECT to_jsonb(herald.uuid_v7()) AS id FROM generate_series(1, $2)),
       copied AS (INSERT INTO herald.message
         SELECT (jsonb_populate_record(m, jsonb_build_object('id', id))).* FROM one, ids)
       INSERT INTO herald.inbox SELECT (jsonb_populate_record(i, jsonb_build_object('message_id', id))).* FROM one, ids`,
      [id, times],
    );
  }

  test('the bell counts, its list is read, marked and archived, and what arrives comes at once', async () => {
    const { id, context } = await person('Ada', `<img src="/x" onerror="document.title='owned'">`, 'Linus');
    const page = await open(context);
    await says(page, 'Notifications, 3 unread');
    await bell(page).click();
    await page.getByText('onerror=').first().waitFor();
    expect(await page.title()).toBe('Acme');
    const items = page.getByRole('listitem');
    expect(await items.count()).toBe(3);
    expect(await items.first().textContent()).toContain('Hello Linus');
    await items.nth(1).getByRole('button', { name: 'Mark as read' }).click();
    await says(page, 'Notifications, 2 unread');
    await until(async () => (await unread(id)) === 2);
    await items.nth(1).getByRole('button', { name: 'Mark as unread' }).click();
    await items.nth(2).getByRole('button', { name: 'Archive' }).click();
    await says(page, 'Notifications, 2 unread');
    expect(await items.count()).toBe(2);
    await enqueue(id, 'Barbara');
    await says(page, 'Notifications, 3 unread');
    expect(await items.first().textContent()).toContain('Hello Barbara');
    await page.getByRole('status').getByText('New notification: Hello Barbara').waitFor();
    await page.getByRole('button', { name: 'Mark all as read' }).click();
    await says(page, 'Notifications');
    await until(async () => (await unread(id)) === 0);
    const { rows } = await database.pool.query(
      'SELECT count(*)::int AS n FROM herald.inbox WHERE recipient_id = $1 AND seen_at IS NULL',
      [id],
    );
    // The archived one had been in view as well.
    expect(rows[0].n).toBe(0);
  });

  test('an application decides what opening an item does', async () => {
    const { id, context } = await person('Ada');
    const page = await open(context);
    await page.evaluate(() => {
      document.querySelector('herald-inbox')?.addEventListener('inbox-open', (event) => {
        event.preventDefault();
        const { item, action } = (event as CustomEvent).detail;
        document.title = `${item.title} -> ${action.url}`;
      });
    });
    await bell(page).click();
    await page.getByRole('link', { name: 'Hello Ada' }).click();
    await says(page, 'Notifications');
    expect(await page.title()).toBe(`Hello Ada -> ${application.url}/greetings`);
    expect(page.url()).toBe(`${application.url}/`);
    await until(async () => (await unread(id)) === 0);
  });

  test('the keyboard reaches everything', async () => {
    const { id, context } = await person('Ada', 'Grace', 'Linus');
    const page = await open(context);
    await says(page, 'Notifications, 3 unread');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Notifications' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const focused = () =>
      page.evaluate(() => document.querySelector('herald-inbox')?.shadowRoot?.activeElement?.textContent);
    expect(await focused()).toBe('Hello Grace');
    // Its link, its action, "mark as read", then "archive"; the focus goes on to the next item.
    for (let n = 0; n < 3; n += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await says(page, 'Notifications, 2 unread');
    await until(async () => (await focused()) === 'Hello Ada');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(await bell(page).evaluate((button) => button.matches(':focus'))).toBe(true);
    expect(await unread(id)).toBe(2);
  });

  test('seven tabs share one stream, agree, and none is lost when the one that has the stream closes', async () => {
    const { id, context } = await person('Ada', 'Grace');
    const before = application.openStreams();
    const tabs: Page[] = [];
    for (let n = 0; n < 7; n += 1) tabs.push(await open(context));
    // Over HTTP/1.1 a browser opens six connections, so the seventh tab would not load if each had a stream.
    for (const tab of tabs) await says(tab, 'Notifications, 2 unread');
    await until(() => application.openStreams() === before + 1);
    const [first, second, third] = tabs as [Page, Page, Page];
    await bell(second).click();
    await bell(third).click();
    await second.getByRole('button', { name: 'Mark as read' }).first().click();
    for (const tab of tabs) await says(tab, 'Notifications, 1 unread');
    await third.getByRole('button', { name: 'Mark as unread' }).waitFor();
    await first.close();
    await enqueue(id, 'Linus');
    for (const tab of tabs.slice(1)) await says(tab, 'Notifications, 2 unread');
    expect(await third.getByRole('listitem').first().textContent()).toContain('Hello Linus');
    expect(application.openStreams()).toBe(before + 1);
  });

  test('without locks each tab has a stream of its own, and they agree as well', async () => {
    const { id, context } = await person('Ada', 'Grace');
    const before = application.openStreams();
    await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }));
    const [one, other] = [await open(context), await open(context)];
    await until(() => application.openStreams() === before + 2);
    await bell(one).click();
    await one.getByRole('button', { name: 'Mark as read' }).first().click();
    for (const tab of [one, other]) await says(tab, 'Notifications, 1 unread');
    await enqueue(id, 'Linus');
    for (const tab of [one, other]) await says(tab, 'Notifications, 2 unread');
  });

  test('two people in one browser, one after the other, never see each other’s notifications', async () => {
    const { context } = await person('Ada');
    const ada = await open(context);
    await says(ada, 'Notifications, 1 unread');
    const other = await person('Grace', 'Linus');
    await context.addCookies([{ name: 'reader', value: other.id, url: application.url }]);
    const grace = await open(context);
    await says(grace, 'Notifications, 2 unread');
    await enqueue(other.id, 'Barbara');
    await says(grace, 'Notifications, 3 unread');
    await says(ada, 'Notifications, 1 unread');
    // The first person's page, used by the second: its first mark is refused, and it becomes the second person's.
    await bell(ada).click();
    await ada.getByRole('link', { name: 'Hello Barbara' }).waitFor();
    await says(ada, 'Notifications, 3 unread');
    await enqueue(other.id, 'Edsger');
    await says(ada, 'Notifications, 4 unread');
  });

  test('a page that nobody has seen for a minute closes its stream, and catches up when it is seen again', async () => {
    const { id, context } = await person('Ada');
    const before = application.openStreams();
    const page = await context.newPage();
    await page.clock.install();
    await page.goto(application.url);
    await says(page, 'Notifications, 1 unread');
    await until(() => application.openStreams() === before + 1);
    const show = (state: string) =>
      page.evaluate((visibilityState) => {
        Object.defineProperty(document, 'visibilityState', { value: visibilityState, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, state);
    await show('hidden');
    await page.clock.fastForward(59_000);
    expect(application.openStreams()).toBe(before + 1);
    await page.clock.fastForward(1500);
    await until(() => application.openStreams() === before);
    await enqueue(id, 'Grace');
    await show('visible');
    await says(page, 'Notifications, 2 unread');
    await until(() => application.openStreams() === before + 1);
  });

  test('a server that restarts loses nothing: the page connects again and catches up', async () => {
    const { id, context } = await person('Ada');
    const page = await open(context);
    const tab = await open(context);
    for (const each of [page, tab]) await says(each, 'Notifications, 1 unread');
    await application.stop();
    await enqueue(id, 'Grace');
    await application.start();
    for (const each of [page, tab]) await says(each, 'Notifications, 2 unread');
  });

  test('a session that ends stops all requests, and the page says so until the person has signed in again', async () => {
    const { id, context } = await person('Ada');
    const page = await open(context);
    await says(page, 'Notifications, 1 unread');
    await until(() => application.openStreams() > 0);
    application.signedOut.add(id);
    await application.stop();
    await application.start();
    await bell(page).click();
    await page.getByText('You are signed out').waitFor();
    expect(await page.getByRole('listitem').count()).toBe(0);
    const before = application.requests.length;
    // It would have tried again by then.
    await page.waitForTimeout(2500);
    expect(application.requests.length).toBe(before);
    application.signedOut.delete(id);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('link', { name: 'Hello Ada' }).waitFor();
    await says(page, 'Notifications, 1 unread');
  });

  test('an inbox that cannot be loaded says so and goes on trying; an empty one says that', async () => {
    const { id, context } = await person();
    application.refuseWith = 503;
    const page = await open(context);
    await bell(page).click();
    await page.getByText('The notifications could not be loaded').waitFor();
    application.refuseWith = null;
    await page.getByText('No notifications').waitFor();
    application.refuseWith = 503;
    await enqueue(id, 'Ada');
    await page.getByRole('button', { name: 'Mark as read' }).click();
    await page.getByRole('status').getByText('That did not work. Try again').waitFor();
    // What was shown at once is taken back.
    await says(page, 'Notifications, 1 unread');
    application.refuseWith = null;
  });

  test('10,000 items: the count is exact, older ones are loaded on demand, and all are marked at once', async () => {
    const { id, context } = await person();
    await enqueue(id, 'again');
    await repeat(id, 9999);
    const page = await open(context);
    await says(page, 'Notifications, 10,000 unread');
    await page.getByText('99+').waitFor();
    await bell(page).click();
    const items = page.getByRole('listitem');
    await page.getByRole('button', { name: 'Load more' }).waitFor();
    expect(await items.count()).toBe(20);
    for (const loaded of [40, 60, 80]) {
      await page.getByRole('button', { name: 'Load more' }).click();
      await until(async () => (await items.count()) === loaded);
    }
    const ids = await items.getByRole('link', { name: /^Hello/ }).evaluateAll((links) => links.map((link) => link.id));
    expect(new Set(ids).size).toBe(80);
    await page.getByRole('button', { name: 'Mark all as read' }).click();
    await says(page, 'Notifications');
    expect(await unread(id)).toBe(0);
    await until(async () => (await items.getByRole('button', { name: 'Mark as read' }).count()) === 0);
  });

  test.each([
    ['light', 'en', { width: 1000, height: 800 }],
    ['dark', 'de', { width: 360, height: 640 }],
    ['light', 'ar', { width: 360, height: 640 }],
  ] as const)(
    'axe finds nothing, %s, in %s, and nothing is wider than the screen',
    async (colorScheme, lang, viewport) => {
      const long = 'Ada '.repeat(100);
      const { context } = await person({ colorScheme, viewport }, 'Grace', long, 'Averylongname'.repeat(20));
      // The check itself needs more than the policy of the page allows.
      application.addPage(`/${lang}`, { lang, policy: strictPolicy.replace(/require-trusted.*/, '') });
      const page = await open(context, `/${lang}`);
      await page.getByRole('button', { name: /3/ }).click();
      await page.getByRole('dialog').waitFor();
      await until(async () => (await page.getByRole('listitem').count()) === 3);
      await page.evaluate(axe);
      const found = await page.evaluate<AxeResults>(`axe.run('herald-inbox', { resultTypes: ['violations'] })`);
      expect(found.violations.map(({ id, nodes }) => `${id} ${nodes[0]?.html}`)).toEqual([]);
      const box = await page.getByRole('dialog').boundingBox();
      expect(box?.x).toBeGreaterThanOrEqual(0);
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(viewport.width);
      expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(viewport.height);
      const wide = await page.evaluate(() => {
        const body = document.querySelector('herald-inbox')?.shadowRoot?.querySelector('[part=body]');
        const { scrollWidth, clientWidth } = document.documentElement;
        return { page: scrollWidth - clientWidth, list: (body?.scrollWidth ?? 0) - (body?.clientWidth ?? 0) };
      });
      expect(wide).toEqual({ page: 0, list: 0 });
      const direction = await page.getByRole('dialog').evaluate((panel) => getComputedStyle(panel).direction);
      expect(direction).toBe(lang === 'ar' ? 'rtl' : 'ltr');
    },
  );

  test('the page of the documentation is true: its element, its style, its router and its store', async () => {
    const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'";
    const body = `${blockOf('html').replace(/<script.*<\/script>/, '')}<style>${blockOf('css')}</style>`;
    application.addPage('/manual', { body, policy });
    application.addPage('/store', { script: await bundle(blockOf('ts')), body: '', policy });
    const { context } = await person('Ada', 'Grace');
    const page = await open(context, '/manual');
    await says(page, 'Notifications, 2 unread');
    expect(await page.getByText('2', { exact: true }).evaluate((it) => getComputedStyle(it).borderRadius)).toBe('4px');
    await bell(page).click();
    expect((await page.getByRole('dialog').boundingBox())?.width).toBe(480);
    await page.evaluate(blockOf('js'));
    await page.getByRole('link', { name: 'Hello Grace' }).click();
    await page.waitForURL('**/greetings');
    await says(page, 'Notifications, 1 unread');
    const other = await open(context, '/store');
    await until(async () => (await other.title()) === 'Acme (1)');
    expect(application.requests).toContain('POST /inbox/mark');
  });

  test('the hook of React renders the state, and ends the stream with its last component', async () => {
    const script = await bundle(`
      ${blockOf('tsx')}
      import { StrictMode, useState } from 'react';
      import { createRoot } from 'react-dom/client';
      function Page() {
        const [isShown, show] = useState(true);
        const remove = <button onClick={() => show(false)}>Remove</button>;
        return <StrictMode>{isShown && <Notifications />}{remove}</StrictMode>;
      }
      createRoot(document.querySelector('#root')).render(<Page />);`);
    application.addPage('/react', {
      script,
      body: '<div id="root"></div>',
      policy: strictPolicy.replace(/require-trusted.*/, ''),
    });
    const { id, context } = await person('Ada');
    const before = application.openStreams();
    const page = await open(context, '/react');
    const region = (n: number) => page.getByRole('region', { name: `Notifications, ${n} unread` }).waitFor();
    await region(1);
    await enqueue(id, 'Grace');
    await region(2);
    await page.getByRole('button', { name: 'Hello Ada' }).click();
    await region(1);
    await page.getByRole('button', { name: 'Mark all as read' }).click();
    await region(0);
    expect(application.openStreams()).toBe(before + 1);
    await page.getByRole('button', { name: 'Remove' }).click();
    await until(() => application.openStreams() === before);
  });
});
