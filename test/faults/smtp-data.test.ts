/** The connection fails while the message is on its way. What counts is whether its final dot had left. */
import { describe, expect, test } from 'vitest';
import { missing, needing } from '../support/daemons.ts';
import { conversation, type Step, startSmtpScript } from '../support/smtp-script.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { until } from '../support/wait.ts';
import { openScene, type Story } from './scene.ts';

const scene = openScene();
const sink = needing(missing('smtp-sink', 'postfix'));

const retry = (attempt: string) => ({ status: 'pending', counted: 1, attempts: [attempt], paused: null });
const unknown = (attempt: string) => ({ ...retry(attempt), attempts: [`unknown: ${attempt}`] });
const upTo = (phase: number) => conversation().slice(0, phase);
const big = {
  attachments: [{ name: 'plan.bin', contentType: 'application/octet-stream', content: Buffer.alloc(6_000_000, 1) }],
};

async function deliverBig(port: number): Promise<Story | undefined> {
  await scene.enqueue(1, big);
  const worker = await scene.start({ port });
  const [story] = await until(async () => {
    const all = await scene.stories();
    return all[0]?.attempts.length === 1 && all;
  });
  await worker.stop();
  return story;
}

test('the connection is lost in the middle of 8 MB: surely not accepted', async () => {
  const relay = scene.use(await startSmtpScript([...upTo(5), { expect: /^/, then: 'destroy' }]));
  expect(await deliverBig(relay.port)).toMatchObject(
    retry('retry: connection_lost: the connection was lost while the message was sent'),
  );
  expect(relay.messages()).toEqual([]);
});

describe('550 in the middle of 8 MB, and the relay stops reading: no hang', () => {
  test('the reply that was read counts', async () => {
    const reply = '550 5.7.1 enough of this';
    const relay = scene.use(await startSmtpScript([...upTo(5), { expect: /^/, reply }, { delayMs: 60_000 }]));
    expect(await deliverBig(relay.port)).toMatchObject({
      status: 'failed',
      attempts: [`failed: content_refused: DATA: ${reply}`],
    });
  });

  // It closes as well, and what TCP then makes of its reply is a matter of luck.
  test.skipIf(sink.skip)(sink.name('smtp-sink'), async () => {
    const relay = scene.use(await startSmtpSink(['-A', '0']));
    expect((await deliverBig(relay.port))?.attempts).toEqual([
      expect.stringMatching(
        /^failed: content_refused: DATA: 550|^retry: connection_lost: .* while the message was sent/,
      ),
    ]);
  });
});

describe('the connection is lost after the end, and the message was accepted', () => {
  const bytes = (mail: string) => mail.slice(mail.indexOf('From: Acme'));

  test.skipIf(sink.skip)(
    sink.name('the retry comes after five minutes at the earliest, with the same bytes, Message-ID and Date'),
    async () => {
      const relay = scene.use(await startSmtpSink(['-q', '.']));
      const story = await scene.deliver({ port: relay.port });
      expect(story).toMatchObject(
        unknown('connection_lost: connection lost after the end of the message; the server may have accepted it'),
      );
      expect(story.nextInSeconds).toBeGreaterThanOrEqual(299);
      expect(relay.mails()).toHaveLength(1);
      await scene.start({ port: relay.port });
      for (const attempts of [2, 3]) {
        await scene.hurry();
        await until(async () => (await scene.stories())[0]?.attempts.length === attempts);
      }
      // One copy per retry of unknown end, and no more than two such retries.
      expect(await scene.stories()).toMatchObject([{ status: 'failed', counted: 3 }]);
      const [first = '', ...others] = relay.mails();
      expect(others).toHaveLength(2);
      for (const other of others) expect(bytes(other)).toBe(bytes(first));
      expect(first).toMatch(/^Message-ID: <[0-9a-f-]{36}@acme\.example>$/m);
      expect(first).toMatch(/^Date: /m);
    },
  );

  test.skipIf(sink.skip)(sink.name('a template that must never go out twice holds it for an operator'), async () => {
    const relay = scene.use(await startSmtpSink(['-q', '.']));
    await scene.enqueue(1, { template: 'careful' });
    await scene.start({ port: relay.port });
    await until(async () => (await scene.stories())[0]?.status === 'held');
    expect(relay.mails()).toHaveLength(1);
  });
});

// Scaled: 4 s of 8 instead of 9 minutes of 10.
test.skipIf(sink.skip)(sink.name('a late reply to the end is waited for: one copy'), async () => {
  const relay = scene.use(await startSmtpSink(['-W', '.:4']));
  expect(await scene.deliver({ port: relay.port, replyTimeoutSeconds: 8, sendTimeoutSeconds: 2 })).toMatchObject({
    status: 'sent',
    attempts: ['sent'],
  });
  expect(relay.mails()).toHaveLength(1);
});

// Scaled: 2 s instead of 10 minutes.
test('no reply to the end at all', async () => {
  const relay = scene.use(await startSmtpScript([...upTo(5), { expect: 'message' }]));
  const story = await scene.deliver({ port: relay.port, replyTimeoutSeconds: 2 });
  expect(story).toMatchObject(unknown('no_reply: no reply to the end of the message'));
  expect(story.nextInSeconds).toBeGreaterThanOrEqual(299);
  expect(relay.messages()).toHaveLength(1);
});

describe('an invalid reply to the end', () => {
  test.each(['Ok I guess', '99', '354 go on'])('"%s"', async (reply) => {
    const relay = scene.use(await startSmtpScript(conversation({ message: { reply } })));
    expect(await scene.deliver({ port: relay.port })).toMatchObject(
      unknown('unparsable_reply: the reply to the end of the message could not be read'),
    );
    expect(relay.messages()).toHaveLength(1);
  });
});

describe('replies trickle', () => {
  const trickle: Step[] = Array.from('250 2.1.0 ok, but slowly', (raw) => ({ raw, delayMs: 400 }));

  // Scaled: sendTimeoutSeconds is 120 s by default.
  test('before the end: the attempt is over at its deadline, and counts', async () => {
    const relay = scene.use(await startSmtpScript([...upTo(2), { expect: /^MAIL FROM:/i }, ...trickle]));
    expect(await scene.deliver({ port: relay.port, sendTimeoutSeconds: 2 })).toMatchObject(
      retry('retry: deadline: the message could not be sent in time'),
    );
    expect(relay.messages()).toEqual([]);
  });

  test('before there is a session: that is about the relay', async () => {
    const relay = scene.use(await startSmtpScript([...upTo(1), { expect: /^EHLO /i }, ...trickle]));
    expect(await scene.deliver({ port: relay.port, sendTimeoutSeconds: 2 })).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: ['retry, free: connect_timeout: no session in time'],
      paused: 'connect_timeout',
    });
  });
});

describe('a reply without end', () => {
  const huge = 'x'.repeat(2_000_000);
  const rows: [string, Partial<Parameters<typeof conversation>[0]>][] = [
    ['a greeting of 2 MB', { greeting: { raw: `220 ${huge}\r\n` } }],
    ['a line of 2 MB', { ehlo: { raw: `250-${huge}` } }],
    ['50,000 continuation lines', { ehlo: { raw: '250-more\r\n'.repeat(50_000) } }],
    ['2 MB to MAIL', { mail: { raw: huge } }],
  ];
  test.each(rows)('%s', async (_, changes) => {
    const relay = scene.use(await startSmtpScript(conversation(changes)));
    const before = process.memoryUsage().rss;
    expect(await scene.deliver({ port: relay.port })).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: ['retry, free: protocol: the reply of the server is too large'],
      paused: 'protocol',
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000);
  });

  test('to the end of the message: the outcome is unknown', async () => {
    const relay = scene.use(await startSmtpScript(conversation({ message: { raw: huge } })));
    expect(await scene.deliver({ port: relay.port })).toMatchObject(
      unknown('unparsable_reply: the reply to the end of the message could not be read'),
    );
  });
});
