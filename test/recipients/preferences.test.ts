/** `/p/TOKEN`: groups by methods, and what a form of it stores. */
import { HtmlValidate, StaticConfigLoader } from 'html-validate';
import { describe, expect, test } from 'vitest';
import { pageLanguages } from '../../src/recipients/page-language.ts';
import { preferencesLink, received, unsubscribeLink, useRecipientPages } from './support.ts';

const { database, pages } = useRecipientPages();

const show = async (id: string, language = 'en') =>
  (await pages().fetch(new Request(preferencesLink(id), { headers: { 'accept-language': language } }))).text();

/** Sends the form as a browser would, after the person has changed some of its boxes. */
async function submit(id: string, page: string, change: (on: Set<string>) => void, action = 'save') {
  const text = (value: string) => value.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&lt;', '<');
  const shown = [...page.matchAll(/name="(shown-\d+)" value="((?:on|off) ([^"]*))"/g)];
  const on = new Set(shown.filter(([, , state]) => state?.startsWith('on ')).map(([, , , key]) => text(key ?? '')));
  change(on);
  const body = new URLSearchParams({ action });
  for (const [, name = '', state = '', key = ''] of shown) {
    body.append(name, text(state));
    if (on.has(text(key))) body.append(name.replace('shown', 'on'), 'on');
  }
  return pages().fetch(new Request(preferencesLink(id), { method: 'POST', body }));
}

const nothing = () => undefined;
const defaults = ['digest smtp', 'invoice smtp', 'password smtp', 'report smtp', 'report webhook'];

describe('the page of preferences', () => {
  test('shows each group with its methods, and what is always sent', async () => {
    const page = await show('ada');
    const groups = [...page.matchAll(/<legend><bdi>([^<]*)<\/bdi><\/legend>/g)].map((match) => match[1]);
    expect(groups).toEqual(['Account', 'News &amp; more', 'Reports']);
    expect(page).toMatch(/<input type="checkbox" checked disabled> Email\n<span class="hint">\(always sent\)/);
    const states = [...page.matchAll(/name="on-(\d+)"( checked)?>\n[^]*?name="shown-\1" value="([^"]*)"/g)];
    expect(states.map(([, , checked = '', state]) => state + checked)).toEqual([
      // Off by default, although the group also has a mandatory template.
      'off smtp News &amp; more',
      'on smtp Reports checked',
      'on webhook Reports checked',
    ]);
  });

  test('leaves out what an operator turned off for everybody', async () => {
    await database.pool.query(`UPDATE herald.method SET enabled = false WHERE name = 'webhook'`);
    expect(await show('ada')).not.toContain(' webhook Reports');
    await database.pool.query(`UPDATE herald.method SET enabled = true WHERE name = 'webhook'`);
  });
});

describe('a form', () => {
  test('turns a group off and another on, for one method each', async () => {
    const answer = await submit('kim', await show('kim'), (on) => {
      on.delete('smtp Reports');
      on.add('smtp News & more');
    });
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('Your choices are saved.')]);
    expect(await received(database, 'kim')).toEqual(['invoice smtp', 'news smtp', 'password smtp', 'report webhook']);
    await submit('kim', await show('kim'), (on) => on.add('smtp Reports'));
    expect(await received(database, 'kim')).toEqual([...defaults, 'news smtp'].sort());
  });

  test('that changes nothing stores nothing', async () => {
    expect((await submit('lee', await show('lee'), nothing)).status).toBe(200);
    const { rows } = await database.pool.query(`SELECT FROM herald.preference WHERE recipient_id = 'lee'`);
    expect(rows).toEqual([]);
  });

  test('does not undo what was unsubscribed after the page was opened', async () => {
    const page = await show('max');
    await pages().fetch(new Request(unsubscribeLink('max'), { method: 'POST' }));
    await submit('max', page, (on) => on.add('smtp News & more'));
    expect(await received(database, 'max')).toEqual(['invoice smtp', 'news smtp', 'password smtp', 'report webhook']);
  });

  test('says where only some templates of a group are on, and leaves them so', async () => {
    await database.pool.query(`SELECT herald.set_preference('pia', 'template', 'digest', false)`);
    const page = await show('pia');
    expect(page).toContain('<span class="hint">(some of them)</span>');
    await submit('pia', page, (on) => on.delete('webhook Reports'));
    expect(await received(database, 'pia')).toEqual(['invoice smtp', 'password smtp', 'report smtp']);
  });

  test('turns everything off but what is always sent', async () => {
    await submit('zoe', await show('zoe'), nothing, 'off');
    expect(await received(database, 'zoe')).toEqual(['invoice smtp', 'password smtp']);
  });

  test.each([
    ['no field', new URLSearchParams()],
    ['a one-click POST', new URLSearchParams({ 'List-Unsubscribe': 'One-Click' })],
    ['made-up groups', new URLSearchParams({ 'shown-1': 'off smtp Nothing', 'on-1': 'on' })],
    ['mandatory groups', new URLSearchParams({ 'shown-0': 'on smtp Account' })],
    ['everything off, without the boxes', new URLSearchParams({ action: 'off' })],
  ])('of another origin changes nothing: %s', async (_, body) => {
    await pages().fetch(new Request(preferencesLink('eve'), { method: 'POST', body }));
    expect(await received(database, 'eve')).toEqual(defaults);
  });
});

describe('an address to which nothing is sent', () => {
  const enqueued = async (id: string, address: string) =>
    (
      await database.pool.query('SELECT * FROM herald.enqueue($1)', [
        JSON.stringify({ template: 'digest', to: { id, email: address } }),
      ])
    ).rows as [{ message_id: string }];

  /** Somebody who got an email, and whose address was suppressed after a report about it. */
  async function suppressed(id: string, cause: string): Promise<string> {
    const address = `${id}@example.com`;
    const [{ message_id: message }] = await enqueued(id, address);
    await database.pool.query(
      `INSERT INTO herald.report (message_id, kind, effect, source, source_id)
       VALUES ($1, CASE $2 WHEN 'complaint' THEN 'complaint' ELSE 'bounce' END, $2, 'test', $3)`,
      [message, cause === 'operator' ? 'none' : cause, message],
    );
    await database.pool.query(
      `INSERT INTO herald.suppression (method, address, cause, reason, suppressed_at) VALUES ('smtp', $1, $2, $2, now())`,
      [address, cause],
    );
    return address;
  }
  const isListed = async (address: string) =>
    (await database.pool.query('SELECT FROM herald.suppression WHERE address = $1', [address])).rowCount === 1;
  const notice = 'Messages to your address are stopped (<bdi>Email</bdi>)';

  test.each(['complaint', 'soft'])('is named, and its person may allow it again: %s', async (cause) => {
    const id = `stopped by ${cause}`.replaceAll(' ', '-');
    const address = await suppressed(id, cause);
    const page = await show(id);
    expect(page).toContain(notice);
    expect(page).not.toContain(address);
    expect(await isListed(address)).toBe(true);
    const answer = await submit(id, page, nothing, 'allow');
    expect(await answer.text()).not.toContain(notice);
    expect(await isListed(address)).toBe(false);
  });

  test.each(['dead', 'operator'])('is not for its person to allow: %s', async (cause) => {
    const id = `stopped-by-${cause}`;
    const address = await suppressed(id, cause);
    const page = await show(id);
    expect(page).not.toContain(notice);
    await submit(id, page, (on) => on.add('smtp News & more'), 'save');
    await submit(id, page, nothing, 'allow');
    expect(await isListed(address)).toBe(true);
  });

  test('cannot be allowed again by somebody who gave it as their own later', async () => {
    const address = await suppressed('victim', 'complaint');
    await enqueued('thief', 'thief@example.com');
    await enqueued('thief', address);
    const page = await show('thief');
    expect(page).not.toContain(notice);
    await submit('thief', page, nothing, 'allow');
    await submit('thief', await show('thief'), (on) => on.delete('smtp Reports'));
    await submit('thief', await show('thief'), (on) => on.add('smtp Reports'));
    expect(await isListed(address)).toBe(true);
  });

  test('is used again when its person turns something on, or subscribes again', async () => {
    const [one, two] = [await suppressed('one', 'complaint'), await suppressed('two', 'complaint')];
    await submit('one', await show('one'), (on) => on.delete('smtp Reports'));
    expect(await isListed(one)).toBe(true);
    await submit('one', await show('one'), (on) => on.add('smtp Reports'));
    expect(await isListed(one)).toBe(false);
    const body = new URLSearchParams({ action: 'resubscribe' });
    await pages().fetch(new Request(unsubscribeLink('two'), { method: 'POST', body }));
    expect(await isListed(two)).toBe(false);
  });
});

describe('the words', () => {
  const validate = new HtmlValidate(
    new StaticConfigLoader({ root: true, extends: ['html-validate:recommended'], rules: { 'long-title': 'off' } }),
  );

  test.each(pageLanguages)('are there in %s, in valid HTML', async (language) => {
    const served = pages();
    const open = async (url: string, method = 'GET') =>
      served.fetch(new Request(url, { method, headers: { 'accept-language': `${language};q=0.9, xx` } }));
    for (const [url, method] of [
      [unsubscribeLink('wim'), 'GET'],
      [unsubscribeLink('wim'), 'POST'],
      [preferencesLink('wim'), 'GET'],
      [`${unsubscribeLink('wim')}x`, 'GET'],
    ] as const) {
      const page = await (await open(url, method)).text();
      const direction = ['ar', 'he'].includes(language) ? 'rtl' : 'ltr';
      expect(page).toContain(`<html lang="${language}" dir="${direction}">`);
      expect(page.replace(/<style>[\s\S]*<\/style>/, '')).not.toMatch(/[{}]|undefined/);
      const report = await validate.validateString(page);
      expect(
        report.results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => `${ruleId}: ${message}`)),
      ).toEqual([]);
    }
  });

  test.each([
    [null, 'en'],
    ['', 'en'],
    ['de-AT, en;q=0.8', 'de'],
    ['en;q=0.3, pt-BR;q=0.9', 'pt'],
    ['zh-CN', 'zh-Hans'],
    ['xx, *, fr;q=0.1', 'fr'],
    ['de;q=0, es', 'es'],
    ['de;q=x', 'en'],
    [`${'x'.repeat(10_000)}, de`, 'en'],
  ])('follow Accept-Language: %s', async (header, language) => {
    const headers: Record<string, string> = header === null ? {} : { 'accept-language': header };
    const answer = await pages().fetch(new Request(unsubscribeLink('wim'), { headers }));
    expect(answer.headers.get('content-language')).toBe(language);
  });

  test('are escaped with what the application calls its groups and itself', async () => {
    await database.pool.query(`UPDATE herald.template SET "group" = '<b>"&' WHERE name = 'digest'`);
    const brand = { appName: '</title><script>', baseUrl: 'https://acme.example' };
    for (const url of [unsubscribeLink('wim', 'digest'), preferencesLink('wim')]) {
      const page = await (await pages({ brand }).fetch(new Request(url))).text();
      expect(page).not.toMatch(/<script|<b>/);
      expect(page).toContain('&lt;/title&gt;&lt;script&gt;');
    }
    await database.pool.query(`UPDATE herald.template SET "group" = 'Reports' WHERE name = 'digest'`);
  });
});
