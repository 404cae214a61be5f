/** The relay's replies about one message. 4yz waits and counts, 5yz fails, and only 421 is about the relay. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missing, needing } from '../support/daemons.ts';
import { type Postfix, postfixMissing, startPostfix } from '../support/postfix.ts';
import { conversation, startSmtpScript } from '../support/smtp-script.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { until } from '../support/wait.ts';
import { openScene, type Story } from './scene.ts';

const scene = openScene();
const sink = needing(missing('smtp-sink', 'postfix'));
const postfix = needing(postfixMissing());

const deferred = (attempt: string) => ({ status: 'pending', counted: 1, attempts: [attempt], paused: null });
const failed = (attempt: string) => ({ status: 'failed', counted: 1, attempts: [attempt], paused: null });
const soft = '450 4.3.0 Error: command failed';
const hard = '500 5.3.0 Error: command failed';

describe('MAIL is deferred', () => {
  test.skipIf(sink.skip)(sink.name('the sender is at fault, and the message waits without being counted'), async () => {
    const relay = scene.use(await startSmtpSink(['-r', 'MAIL']));
    const story = await scene.deliver({ port: relay.port });
    expect(story).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: [
        `retry, free: deferred: refused before the recipient was named, so the sender is at fault: MAIL FROM: ${soft}`,
      ],
      paused: 'deferred',
    });
    expect(relay.mails()).toEqual([]);
  });
});

describe.skipIf(postfix.skip)(postfix.name('Postfix says about a recipient'), () => {
  const said = (words: string) =>
    `RCPT TO: ${words.slice(0, 9)} <address>: Recipient address rejected: ${words.slice(10)}`;
  const rows: [string, (words: string) => object][] = [
    ['450 4.2.0 greylisted', (words) => deferred(`retry: deferred: ${said(words)}`)],
    ['550 5.1.1 no such user', (words) => failed(`failed: no_such_recipient: ${said(words)}`)],
    ['552 5.2.2 mailbox full', (words) => failed(`failed: mailbox_full: ${said(words)}`)],
    ['452 4.2.2 mailbox full', (words) => deferred(`retry: mailbox_full: ${said(words)}`)],
    ['OK', () => ({ status: 'sent', counted: 1, attempts: ['sent'], paused: null })],
  ];
  let relay: Postfix;
  let stories: Story[];

  // One notification for all: every recipient has an outcome of its own.
  beforeAll(async () => {
    relay = await startPostfix({
      recipients: Object.fromEntries(rows.map(([words], i) => [`ada-${i + 1}@example.com`, words])),
    });
    await scene.clear();
    await scene.enqueue(rows.length);
    const worker = await scene.start({ port: relay.port });
    stories = await until(async () => {
      const all = await scene.stories();
      return all.every((story) => story.attempts.length === 1) && all;
    });
    await worker.stop();
  });
  afterAll(() => relay.stop());

  test.each(rows.map(([words, expected], i) => ({ words, expected, i })))('$words', ({ words, expected, i }) => {
    expect(stories[i]).toMatchObject(expected(words));
  });

  test('only the accepted one is in the mailbox, once', async () => {
    await until(() => relay.mails().length > 0);
    expect(relay.mails().map((mail) => /^X-Original-To: (.*)$/m.exec(mail)?.[1])).toEqual([
      `ada-${rows.length}@example.com`,
    ]);
  });
});

describe('too large, a reply after the end', () => {
  test.each(['552 5.3.4 message too big', '552 message size exceeds limit'])('%s', async (reply) => {
    const relay = scene.use(await startSmtpScript(conversation({ message: { reply } })));
    expect(await scene.deliver({ port: relay.port })).toMatchObject(failed(`failed: too_large: DATA: ${reply}`));
  });
});

describe('smtp-sink refuses', () => {
  // The sink writes a message down before it refuses it: so often its bytes went out.
  const rows: [string, string[], object, number][] = [
    ['DATA for now', ['-r', 'DATA'], deferred(`retry: deferred: DATA: ${soft}`), 0],
    ['DATA for good', ['-f', 'DATA'], failed(`failed: content_refused: DATA: ${hard}`), 0],
    ['the message for now', ['-r', '.'], deferred(`retry: deferred: DATA: ${soft}`), 1],
    [
      'the message for good',
      ['-f', '.', '-B', '550 5.7.1 policy'],
      failed('failed: content_refused: DATA: 550 5.7.1 policy'),
      1,
    ],
  ];
  test.skipIf(sink.skip).each(rows)(sink.name('%s'), async (_, options, expected, transmissions) => {
    const relay = scene.use(await startSmtpSink(options));
    expect(await scene.deliver({ port: relay.port })).toMatchObject(expected);
    expect(relay.mails()).toHaveLength(transmissions);
  });
});

test.skipIf(sink.skip)(
  sink.name('421 after the end says nothing about the message, which waits without being counted'),
  async () => {
    const relay = scene.use(await startSmtpSink(['-Q', '.']));
    const story = await scene.deliver({ port: relay.port });
    expect(story).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: [expect.stringMatching(/^retry, free: throttled: DATA: 421 /)],
      paused: null,
    });
  },
);
