import { createRequire } from 'node:module';
import type { KnownBlock } from '@slack/types';
import type * as AdaptiveCards from 'adaptivecards';
import fc from 'fast-check';
import * as v from 'valibot';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Delivery } from '../../../src/dispatch/dispatcher.ts';
import type { FormatName } from '../../../src/dispatch/webhook/formats/formats.ts';
import { formats } from '../../../src/dispatch/webhook/formats/formats.ts';
import { slackMessage } from '../../../src/dispatch/webhook/formats/slack.ts';
import { utf8Length } from '../../../src/dispatch/webhook/formats/text.ts';
import { delivery } from '../support.ts';

const urls: Record<FormatName, string> = {
  standard: 'https://hooks.example.com/x',
  slack: 'https://hooks.slack.com/services/T0/B0/x',
  teams: 'https://prod.example.logic.azure.com/workflows/x?sig=y',
  discord: 'https://discord.com/api/webhooks/1/x?thread_id=7',
  pagerduty: 'https://events.pagerduty.com/v2/enqueue',
  ntfy: 'https://ntfy.example.com/my-topic',
};
const names = Object.keys(urls) as FormatName[];
const chats = names.filter((name) => name !== 'standard');
const now = new Date('2026-11-24T08:00:00.000Z');

function build(name: FormatName, message: Delivery = delivery(), secrets = ['routing-key-or-token']) {
  const request = formats[name].build(message, { url: urls[name], secrets }, now);
  return { ...request, json: JSON.parse(request.body.toString('utf8')) as unknown };
}

function withContent(changes: Partial<Delivery['content']>, rest: Partial<Delivery> = {}): Delivery {
  return delivery({ content: { ...delivery().content, ...changes }, ...rest });
}

/** What an attacker who may choose a label would try. */
const hostile = [
  '<!channel> <!here> <@U012345> <#C012345> <https://evil.example|click>',
  '@everyone @here <@&123> <@123> [click](https://evil.example)',
  '<at>everyone</at> **bold** _it_ ~~no~~ `code` ||spoiler|| > quote # head',
  '"}],"blocks":[{"type":"header"}] \\u003c!channel\\u003e',
  'a\u202etxt.exe\u202c \u2066x\u2069 \u0000\u0007\u001b[31m',
  'שלום עולם مرحبا 👩‍👩‍👧‍👦🏳️‍🌈 \ud800 lone',
  '&amp;lt;!channel&gt; &<>&<>',
  '{{DATE(2020-01-01T00:00:00Z)}} ${x} {{labels.secret}}',
];
const long = '👩‍👩‍👧‍👦 & <b> *x* "\\" \n'.repeat(20_000);
const messages: [string, Delivery][] = [
  ['an ordinary message', delivery()],
  ['an empty message', withContent({ title: '', text: '', markdown: '', actions: [] })],
  [
    'an over-long message',
    withContent({
      title: long,
      text: long,
      actions: Array.from({ length: 50 }, () => ({ label: long, url: `https://a.example/${'x'.repeat(5_000)}` })),
    }),
  ],
  [
    'a message with many links',
    withContent({
      actions: Array.from({ length: 40 }, (_, n) => ({ label: `Link ${n}`, url: `https://a.example/${n}?a=1&b=2` })),
    }),
  ],
  ...hostile.map((text): [string, Delivery] => [
    `hostile ${JSON.stringify(text.slice(0, 20))}`,
    withContent(
      { title: text, text, actions: [{ label: text, url: 'https://a.example/?x=%3C%3E&y=(z)|w' }] },
      { groupKey: text, tenant: text },
    ),
  ]),
];

describe.each(messages)('%s', (_, message) => {
  test('stays inside the limits of every chat format', () => {
    for (const name of chats) {
      const { body } = build(name, message);
      expect(body.length, name).toBeLessThanOrEqual(formats[name].maxBodyBytes);
      expect(body.toString('utf8'), name).not.toMatch(/[\u202a-\u202e\u2066-\u2069\ufffe]|\\u0000|\\ud[89a-f]/i);
    }
  });

  test('is a Slack message', () => {
    const parsed = slackMessage(message.content);
    // Compiles only while our blocks are blocks of Slack's own types.
    const blocks: KnownBlock[] = parsed.blocks;
    expect(blocks.length).toBeLessThanOrEqual(50);
    expect(parsed.text.length).toBeLessThanOrEqual(4_000);
    for (const block of parsed.blocks) {
      expect(block.text.text.length).toBeGreaterThan(0);
      expect(block.text.text.length).toBeLessThanOrEqual(block.type === 'header' ? 150 : 3_000);
      // What is left of `<` begins one of our own links.
      expect(block.text.text.replaceAll(/<https:\/\/a(pp)?\.example[^<>|]*\|[^<>|]*>/g, '')).not.toMatch(/[<>]/);
    }
    expect(parsed.text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
  });

  test('is a Discord message that pings no one', () => {
    const { json } = build('discord', message);
    const shape = v.strictObject({
      embeds: v.pipe(
        v.array(
          v.strictObject({
            title: v.pipe(v.string(), v.maxLength(256)),
            description: v.pipe(v.string(), v.maxLength(4_096)),
            timestamp: v.string(),
          }),
        ),
        v.length(1),
      ),
      allowed_mentions: v.strictObject({ parse: v.strictTuple([]) }),
    });
    const { embeds } = v.parse(shape, json);
    for (const { title, description } of embeds)
      expect(`${title}${description}`).not.toMatch(/@(everyone|here|&|\d)|(?<!\\)<[@#]/);
  });

  test('is a PagerDuty event', () => {
    const { json } = build('pagerduty', message);
    const shape = v.strictObject({
      routing_key: v.literal('routing-key-or-token'),
      event_action: v.literal('trigger'),
      dedup_key: v.pipe(v.string(), v.minLength(1), v.maxLength(255)),
      payload: v.strictObject({
        summary: v.pipe(v.string(), v.minLength(1), v.maxLength(1_024)),
        source: v.pipe(v.string(), v.minLength(1), v.maxLength(255)),
        severity: v.picklist(['critical', 'error', 'warning', 'info']),
        timestamp: v.pipe(v.string(), v.isoTimestamp()),
        group: v.string(),
        class: v.string(),
        custom_details: v.looseObject({ message_id: v.literal(message.messageId) }),
      }),
      links: v.pipe(v.array(v.strictObject({ href: v.string(), text: v.string() })), v.maxLength(10)),
    });
    v.parse(shape, json);
  });

  test('is an ntfy message that does not become an attachment', () => {
    const { json, url, headers } = build('ntfy', message);
    const bytes = (max: number) =>
      v.pipe(
        v.string(),
        v.check((text) => utf8Length(text) <= max),
      );
    const action = v.strictObject({
      action: v.literal('view'),
      label: v.string(),
      url: v.pipe(v.string(), v.startsWith('https://')),
    });
    const shape = v.strictObject({
      topic: v.literal('my-topic'),
      title: bytes(1_024),
      message: bytes(4_096),
      click: v.optional(v.string()),
      actions: v.pipe(v.array(action), v.maxLength(3)),
    });
    v.parse(shape, json);
    expect({ url, headers }).toEqual({
      url: 'https://ntfy.example.com/',
      headers: { authorization: 'Bearer routing-key-or-token' },
    });
  });

  describe('in Teams', () => {
    let sdk: typeof AdaptiveCards;
    beforeAll(() => {
      // The SDK is a script for browsers.
      Object.assign(globalThis, { self: globalThis });
      sdk = createRequire(import.meta.url)('adaptivecards/dist/adaptivecards.js') as typeof AdaptiveCards;
    });

    test('is an Adaptive Card that the SDK accepts without a word', () => {
      const { json } = build('teams', message);
      const shape = v.strictObject({
        type: v.literal('message'),
        attachments: v.strictTuple([
          v.strictObject({
            contentType: v.literal('application/vnd.microsoft.card.adaptive'),
            contentUrl: v.null(),
            content: v.looseObject({}),
          }),
        ]),
      });
      const [{ content }] = v.parse(shape, json).attachments;
      const problems = (card: object) => {
        const parser = new sdk.SerializationContext(sdk.Versions.v1_2);
        const parsed = new sdk.AdaptiveCard();
        parsed.parse(card, parser);
        const events = Array.from({ length: parser.eventCount }, (_unused, index) => parser.getEventAt(index).message);
        return [...events, ...parsed.validateProperties().validationEvents.map((event) => event.message)];
      };
      expect(problems(content)).toEqual([]);
      expect(problems({ ...content, actions: [{ type: 'Action.OpenUrl', title: 'x' }] })).toEqual([
        'Property "url" must be set.',
      ]);
    });
  });
});

test('any text stays inside the limits and pings no one', () => {
  const text = fc.string({
    unit: fc.constantFrom(
      '@',
      '<',
      '!',
      '>',
      '&',
      '|',
      '[',
      ']',
      '(',
      ')',
      '*',
      '\\',
      '👩‍👧',
      '\n',
      'everyone',
      'here',
      '\u202e',
      '\ud800',
      'x',
    ),
    maxLength: 6_000,
  });
  fc.assert(
    fc.property(text, text, (title, body) => {
      const message = withContent({ title, text: body, actions: [{ label: title, url: 'https://a.example/x' }] });
      for (const name of chats)
        expect(build(name, message).body.length).toBeLessThanOrEqual(formats[name].maxBodyBytes);
      const { blocks } = slackMessage(message.content);
      for (const block of blocks)
        expect(block.text.text.length).toBeLessThanOrEqual(block.type === 'header' ? 150 : 3_000);
      expect(JSON.stringify(blocks)).not.toMatch(/<[!@#]/);
      expect(build('discord', message).body.toString()).not.toMatch(/@(everyone|here)/);
    }),
    { numRuns: 30 },
  );
});

test('a service that shows the fallback as Markdown pings no one and links only what the template links', () => {
  const value =
    '@all @channel ~town-square #tag **paid** [x](https://evil.example) [y][z] <https://evil.example> www.evil.example';
  const { text } = slackMessage(
    withContent({
      title: value,
      text: value,
      actions: [
        { label: `Open ${value}`, url: 'https://app.example.com/a?b=c&d' },
        { label: 'Long', url: `https://app.example.com/${'x'.repeat(2_200)}` },
      ],
    }).content,
  );
  expect(text).not.toMatch(/[@~#][a-z]|\]\(|\]\[|www\.e|https:\/\/evil/i);
  expect(text).toMatch(/: https:\/\/app\.example\.com\/a\?b=c&amp;d$/);
});

describe('PagerDuty', () => {
  const event = (changes: Partial<Delivery>) =>
    v.parse(
      v.looseObject({
        event_action: v.string(),
        dedup_key: v.string(),
        payload: v.looseObject({ severity: v.string() }),
      }),
      build('pagerduty', delivery(changes)).json,
    );

  test('an incident is the group, else the dedupe key, else the message', () => {
    expect(event({ groupKey: 'incident-1' }).dedup_key).toBe('incident-1');
    expect(event({}).dedup_key).toBe('workspace-deleted:42');
    expect(event({ dedupeKey: null }).dedup_key).toBe(delivery().messageId);
    expect(event({ groupKey: 'x'.repeat(300) }).dedup_key).toMatch(/^[0-9a-f]{64}$/);
  });

  test('labels say what to do and how bad it is; other words are ignored', () => {
    expect(event({ labels: { event_action: 'resolve', severity: 'Critical' } })).toMatchObject({
      event_action: 'resolve',
      payload: { severity: 'critical' },
    });
    expect(event({ labels: { event_action: 'delete', severity: 'huge' } })).toMatchObject({
      event_action: 'trigger',
      payload: { severity: 'error' },
    });
  });

  test('details that do not fit are left out', () => {
    const { json } = build('pagerduty', delivery({ data: 'x'.repeat(600_000) }));
    expect(json).toMatchObject({ payload: { custom_details: { text: 'Your workspace dev-box was deleted.' } } });
    expect(JSON.stringify(json).length).toBeLessThan(10_000);
  });
});

test('chat services get no signature, and only PagerDuty and ntfy get the secret', () => {
  for (const name of chats) {
    const { headers, body } = build(name);
    expect(Object.keys(headers).filter((header) => header.startsWith('webhook-'))).toEqual([]);
    const used =
      body.includes('routing-key-or-token') ||
      Object.values(headers).some((value) => value.includes('routing-key-or-token'));
    expect(used, name).toBe(name === 'pagerduty' || name === 'ntfy');
  }
});

test('Discord is asked to say whether it saved the message, in the thread that the URL names', () => {
  expect(build('discord').url).toBe('https://discord.com/api/webhooks/1/x?thread_id=7&wait=true');
});
