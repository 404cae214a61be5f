/** The console in a real browser, with a real worker and a real SMTP server behind it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ConsoleServer, serveConsole } from '../../src/console/index.ts';
import { createCaptureStore } from '../../src/development/capture-store.ts';
import type { Worker } from '../../src/delivery/worker.ts';
import { endpoints } from '../../src/operate/endpoints.ts';
import { createSecretBox } from '../../src/secrets.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { brand, greeting, greetingFile, putTemplates, testWorker } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';
import { findChromium, launch } from '../support/chromium.ts';
import { audits, token } from './support.ts';

const executable = findChromium();
if (executable === null) console.warn('no Chromium on this machine: the tests of the console in a browser are skipped');

const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
const example = 'example: { recipient: { name: Lin }, labels: { who: Ada } }\ngroup:';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const keys = [Buffer.alloc(32, 5).toString('base64')];
const email = Buffer.from(
  [
    'From: a@example.com',
    'To: b@example.com',
    'Subject: Invoice',
    'Content-Type: text/html',
    '',
    '<h1>Invoice</h1>',
  ].join('\r\n'),
);

/** What is asked of an element; this project knows no DOM otherwise. */
interface Drawn {
  getBoundingClientRect(): { readonly width: number };
  readonly ownerDocument: {
    readonly defaultView: { getComputedStyle(element: unknown): { readonly backgroundColor: string } };
  };
}

describe.skipIf(executable === null)('in a browser', { timeout: 60_000 }, () => {
  let database: TestDatabase;
  let mails: TestSmtpServer;
  let worker: Worker;
  let server: ConsoleServer;
  let browser: Browser;
  let endpointId: string;
  const captured = createCaptureStore({ isMessage: async () => false });
  /** Mailboxes that do not exist at present. */
  const missing = new Set<string>();
  const problems: string[] = [];

  beforeAll(async () => {
    [database, mails, browser] = await Promise.all([
      createTestDatabase(),
      startSmtpServer({
        onRecipient: (address) => (missing.has(address) ? { code: 550, text: '5.1.1 no such user here' } : undefined),
      }),
      launch(executable ?? ''),
    ]);
    await putTemplates(database.pool, { greeting: greetingFile.replace('group:', example) });
    await captured.add({ kind: 'mail', messageId: null, to: 'a@example.com', title: 'Invoice', raw: email });
    const call = Buffer.from('POST /hook HTTP/1.1\ncontent-type: application/json\n\n{"title":"Hi"}');
    await captured.add({ kind: 'webhook', messageId: null, to: 'http://127.0.0.1/hook', title: 'Hi', raw: call });
    server = await serveConsole({ pool: database.pool, port: 0, token, brand, captured, secretKeys: keys });
    const stored = endpoints(database.pool, { secrets: createSecretBox(keys) });
    endpointId = (await stored.add({ name: 'Billing', url: 'https://hooks.example.com/in' })).id;
    worker = testWorker(database.url, {
      dispatchers: {
        smtp: smtp({ host: '127.0.0.1', port: mails.port, tls: 'none', from: { address: 'n@acme.example' } }),
      },
    });
    await worker.start();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await worker?.stop();
    await mails?.close();
    await database?.close();
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(problems.splice(0)).toEqual([]);
  });

  async function enqueue(id: string, who = 'Ada'): Promise<string> {
    const to = { id, email: `${id}@example.com` };
    const [message] = await createHerald().enqueue(database.pool, greeting, { autocommit: true, to, labels: { who } });
    return message?.id ?? '';
  }

  const statusOf = async (id: string) =>
    (await database.pool.query('SELECT status FROM herald.message WHERE id = $1', [id])).rows[0]?.status;

  /** Signs in by the form. What the browser complains about fails the test: a refused script, a broken address. */
  async function open(path = '/', options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.on('console', (message) => void (message.type() === 'error' && problems.push(message.text())));
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(server.url + path.slice(1));
    await page.getByLabel('Your name').fill('Grace');
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { level: 1 }).waitFor();
    return page;
  }

  test('an operator finds a failed message by its recipient, sees why, fixes the cause, retries, and sees it become sent', async () => {
    missing.add('ada@example.com');
    const id = await enqueue('ada');
    await until(async () => (await statusOf(id)) === 'failed');

    const page = await open('/messages');
    await page.keyboard.press('/');
    await page.keyboard.type('ada@example.com');
    await page.keyboard.press('Enter');
    await page
      .getByRole('row', { name: /failed/ })
      .getByRole('link')
      .click();
    await page.getByText('Failed after 1 attempt: there is no such mailbox').waitFor();
    await page.getByRole('cell', { name: /550 5\.1\.1 no such user here/ }).waitFor();

    missing.delete('ada@example.com');
    await page.getByLabel('Why').fill('the mailbox is back');
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.getByText('It will be delivered again.').waitFor();
    // The page is not reloaded.
    await page.locator('#state').getByText('Sent: the receiving side accepted it').waitFor();
    await page.locator('#story').getByRole('row', { name: /sent/ }).waitFor();
    expect(await statusOf(id)).toBe('sent');
    expect((await mails.waitFor(1)).at(-1)?.to).toEqual(['ada@example.com']);
    expect(await audits(database)).toMatchObject([
      { actor: 'Grace', action: 'retry', subject: id, why: 'the mailbox is back' },
    ]);
  });

  test('the footer lists the keyboard shortcuts, except on devices without a keyboard', async () => {
    const page = await open('/messages');
    const hint = page.getByText(/^Keys:/);
    expect((await hint.innerText()).trim()).toBe("Keys: / to search, g and a page's first letter to open it");
    await page.keyboard.press('g');
    await page.keyboard.press('t');
    await page.waitForURL(/\/templates$/);
    expect((await hint.innerText()).trim()).toBe("Keys: g and a page's first letter to open it");
    const phone = await open('/messages', { viewport: { width: 1024, height: 700 }, hasTouch: true, isMobile: true });
    expect(await phone.getByText(/^Keys:/).isVisible()).toBe(false);
  });

  test('the list of messages updates automatically', async () => {
    const page = await open('/messages');
    await page.locator('[data-live-url]').waitFor();
    // The first look only learns how things are; each message after it is news.
    await until(
      async () => {
        await enqueue('live-user');
        return (await page.getByRole('cell', { name: 'live-user' }).count()) > 0;
      },
      { intervalMs: 500, timeoutMs: 20_000 },
    );
  });

  test('a click anywhere in a row opens it, and selecting its text does not', async () => {
    const id = await enqueue('row-user');
    await until(async () => (await statusOf(id)) === 'sent');
    const page = await open('/messages?recipient=row-user');
    const box = await page.getByText('row-user@example.com').boundingBox();
    const [x, y] = [(box?.x ?? 0) + 20, (box?.y ?? 0) + 18];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 80, y, { steps: 4 });
    await page.mouse.up();
    expect(await page.evaluate('String(getSelection())')).not.toBe('');
    expect(page.url()).toContain('?recipient=row-user');
    await page.evaluate('getSelection().removeAllRanges()');
    await page
      .getByRole('row', { name: /row-user/ })
      .getByRole('cell')
      .nth(3)
      .click();
    await page.waitForURL(new RegExp(`/messages/${id}$`));
  });

  test('on a phone the title and the recipient of a message have most of the width', async () => {
    await enqueue('phone');
    const page = await open('/messages?recipient=phone', { viewport: { width: 390, height: 844 } });
    for (const cell of ['.subject', '.who-to'])
      expect((await page.locator(`tbody ${cell}`).first().boundingBox())?.width, cell).toBeGreaterThan(220);
  });

  test('pausing keeps new messages waiting, the page says so, and resuming sends them', async () => {
    const page = await open();
    const methods = page.getByRole('region', { name: 'Delivery methods' });
    await methods.getByRole('row', { name: /smtp/ }).locator('summary').click();
    await page.locator('#why-smtp').fill('the relay is being moved');
    await page.getByRole('button', { name: 'Pause smtp' }).click();
    await methods.getByText('by Grace: the relay is being moved').waitFor();
    const id = await enqueue('bob');
    await methods.getByRole('row', { name: /smtp/ }).getByRole('link', { name: '1' }).waitFor();
    expect(await statusOf(id)).toBe('pending');
    await page.getByRole('button', { name: 'Resume smtp' }).click();
    await page.getByText('smtp resumed.').waitFor();
    await until(async () => (await statusOf(id)) === 'sent');
  });

  test('a template is previewed at phone width in dark mode, and follows what is typed', async () => {
    const page = await open('/templates/greeting/preview');
    await page.getByRole('link', { name: 'phone' }).click();
    await page.getByRole('link', { name: 'dark' }).click();
    const frame = page.frameLocator('iframe.mail');
    await frame.locator('.card').getByText('Dear Ada, welcome.').waitFor();
    const looks = (selector: string) =>
      frame.locator(selector).evaluate((element: Drawn) => ({
        width: element.getBoundingClientRect().width,
        background: element.ownerDocument.defaultView.getComputedStyle(element).backgroundColor,
      }));
    expect(await looks('body')).toEqual({ width: 375, background: 'rgb(13, 17, 23)' });
    expect((await looks('.card')).background).toBe('rgb(22, 27, 34)');
    await page.getByLabel('who').fill('Zoë 🦊');
    await frame.locator('.card').getByText('Dear Zoë 🦊, welcome.').waitFor();
    expect(await looks('body')).toEqual({ width: 375, background: 'rgb(13, 17, 23)' });
    await page.getByRole('link', { name: 'Slack' }).click();
    await page.getByText('"blocks"').waitFor();
    expect(await page.getByLabel('who').inputValue()).toBe('Zoë 🦊');
  });

  test('hostile labels are text on the page and in the frame, and nothing of them is fetched or run', async () => {
    const id = await enqueue('eve', hostile);
    await until(async () => (await statusOf(id)) === 'sent');
    const page = await open(`/messages/${id}`);
    const elsewhere: string[] = [];
    page.on('request', (request) => void (request.url().startsWith(server.url) || elsewhere.push(request.url())));
    for (const view of ['html', 'text', 'source', 'labels']) {
      await page.goto(`${server.url}messages/${id}?view=${view}`);
      if (view === 'html') await page.frameLocator('iframe').locator('.card p').getByText('onerror=').waitFor();
      expect(await page.title()).toContain(hostile.slice(0, 20));
      expect(await page.locator('img[src="x"]').count()).toBe(0);
    }
    await page.getByRole('cell', { name: hostile }).waitFor();
    expect(elsewhere).toEqual([]);
  });

  const pages = [
    '/',
    '/messages',
    '/messages/all/cancel',
    '/templates',
    '/templates/greeting',
    '/templates/greeting/preview',
    '/templates/greeting/preview?view=slack',
    '/messages?status=failed&reason=refused',
    '/messages?recipient=unknown',
    '/endpoints',
    '/recipients?id=ada',
    '/suppressions',
    '/workers',
    '/audit',
  ];
  test.each([
    ['light', 'desktop', { width: 1280, height: 900 }],
    ['dark', 'phone', { width: 390, height: 844 }],
  ] as const)(
    'axe finds no problem in the %s on a %s, and no page is wider than the screen',
    { timeout: 180_000 },
    async (colorScheme, _, viewport) => {
      const id = await enqueue('axe');
      const page = await open('/', { colorScheme, viewport });
      const own = [`/messages/${id}`, `/messages/${id}?view=labels`, `/endpoints/${endpointId}`];
      const list = await captured.list();
      const views = list.flatMap((one) => ['', '?view=headers', '?view=source'].map((view) => one.id + view));
      for (const path of [...pages, ...own, '/captured', ...views.map((view) => `/captured/${view}`)]) {
        await page.goto(server.url + path.slice(1));
        await page.evaluate(axe);
        const found = await page.evaluate<AxeResults>(
          `axe.run(document, { iframes: false, resultTypes: ['violations'] })`,
        );
        const violations = found.violations.map((v) => `${path} ${v.impact} ${v.id} ${v.nodes[0]?.target.join(' ')}`);
        expect(violations).toEqual([]);
        const beyond = await page.evaluate<number>(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        );
        expect(beyond, path).toBeLessThanOrEqual(0);
      }
    },
  );
});
