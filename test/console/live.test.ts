/** Pages that update themselves: one poll of the database serves them all. */
import { describe, expect, test } from 'vitest';
import { createCached } from '../../src/console/cached.ts';
import { createLive } from '../../src/console/live.ts';
import type { CapturedMessage } from '../../src/console/index.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { pauseMethod, resumeMethod } from '../../src/operate/pause.ts';
import { readStatus } from '../../src/operate/status.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { until } from '../support/wait.ts';
import { createClient, useConsoleDatabase } from './support.ts';

const database = useConsoleDatabase({ templates: { greeting: greetingFile } });

const enqueue = async () => {
  const to = { id: 'ada', email: 'ada@example.com' };
  const [message] = await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to,
    labels: { who: 'Ada' },
  });
  return message?.id ?? '';
};

/** Reads a stream as it comes. */
function listen(response: Response | null) {
  const heard = { text: '', ended: false };
  const reader = response?.body?.getReader();
  const read = async (): Promise<void> => {
    for (;;) {
      const part = await reader?.read();
      if (part === undefined || part.done) break;
      heard.text += Buffer.from(part.value).toString();
    }
    heard.ended = true;
  };
  void read();
  return Object.assign(heard, { leave: () => reader?.cancel() });
}

const start = (captured: readonly CapturedMessage[] | null = null, pingMs = 15_000) =>
  createLive({
    pool: database.pool,
    status: createCached(() => readStatus(database.pool), { freshMs: 0, waitMs: 1000, onError: () => undefined }),
    captured: captured && { list: () => captured, forMessage: () => [] },
    onError: () => undefined,
    pollMs: 20,
    pingMs,
  });

describe('a live page', () => {
  test('hears of its own messages, of new messages and of pauses, and of nothing else', async () => {
    const [mine, other] = [await enqueue(), await enqueue()];
    const live = start();
    const [one, two] = [listen(live.open('ada', [mine])), listen(live.open('ada', [other]))];
    try {
      // The first poll only learns how things are, and says so: what changed before it the page fetches itself.
      await until(() => one.text.includes('event: here\n') && two.text.includes('event: here\n'));
      await database.pool.query('UPDATE herald.message SET attempts = attempts + 1 WHERE id = $1', [mine]);
      await until(() => one.text.includes('event: message\n'));
      expect(two.text).not.toContain('event: message\n');
      await enqueue();
      await until(() => two.text.includes('event: messages\n') && one.text.includes('event: messages\n'));
      await pauseMethod(database.pool, { method: 'smtp', by: 'ada', why: 'test' });
      const told = one.text.length;
      await until(() => one.text.slice(told).includes('event: overview\n'));
    } finally {
      await resumeMethod(database.pool, { method: '*' });
      live.close();
    }
    await until(() => one.ended && two.ended);
    expect(live.open('ada', [])).toBeNull();
  });

  test('hears of captured emails, and gets pings so that proxies keep the stream open', async () => {
    const captured: CapturedMessage[] = [];
    const live = start(captured, 0);
    const page = listen(live.open('ada', []));
    await until(() => page.text.includes(': ping\n'));
    captured.push({
      id: '1',
      at: new Date(),
      kind: 'mail',
      messageId: null,
      to: 'a@example.com',
      title: 'Hi',
      raw: Buffer.from(''),
    });
    await until(() => page.text.includes('event: captured\n'));
    live.close();
  });

  test('is forgotten when it closes, and without one nothing is polled', async () => {
    let polls = 0;
    const status = createCached(
      async () => {
        polls += 1;
        return readStatus(database.pool);
      },
      { freshMs: 0, waitMs: 1000, onError: () => undefined },
    );
    const live = createLive({ pool: database.pool, status, captured: null, onError: () => undefined, pollMs: 5 });
    const page = listen(live.open('ada', []));
    await until(() => polls > 2);
    await page.leave();
    const settled = polls;
    const again = listen(live.open('ada', []));
    await until(() => polls > settled);
    await again.leave();
    live.close();
    await until(() => again.ended);
  });

  test('has at most twenty streams per operator, so that one operator cannot keep others from theirs', async () => {
    const live = start();
    const open = (operator: string) => live.open(operator, []);
    const streams = Array.from({ length: 20 }, () => open('ada'));
    expect(streams.every((stream) => stream !== null)).toBe(true);
    expect(open('ada')).toBeNull();
    expect(open('grace')).not.toBeNull();
    await streams[0]?.body?.cancel();
    expect(open('ada')).not.toBeNull();
    live.close();
  });

  test('gets a stream through the console, which ends it when it closes', async () => {
    const client = createClient(database);
    const response = await client.visit('/live?watch=x,0199f3a0-7b1c-4000-8000-00000000002a');
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const page = listen(response);
    await client.close();
    await until(() => page.ended);
  });
});

describe('a cached value', () => {
  test('is returned at once while it is read again, and after a change only a new read counts', async () => {
    const answers: ((value: string) => void)[] = [];
    const cached = createCached(() => new Promise<string>((resolve) => answers.push(resolve)), {
      freshMs: 0,
      waitMs: 5,
      onError: () => undefined,
    });
    expect(await cached.get()).toBeNull();
    answers[0]?.('old');
    await until(async () => (await cached.get()) === 'old');
    const before = answers.length;
    cached.expire();
    void cached.get();
    await until(() => answers.length > before);
    answers[before - 1]?.('too late');
    answers.at(-1)?.('new');
    await until(async () => (await cached.get()) === 'new');
  });

  test('survives a failed read', async () => {
    const failures: unknown[] = [];
    let down = false;
    const read = async () => (down ? Promise.reject(new Error('down')) : 'up');
    const cached = createCached(read, { freshMs: 0, waitMs: 100, onError: (error) => failures.push(error) });
    expect(await cached.get()).toBe('up');
    down = true;
    await until(async () => (await cached.get()) === 'up' && failures.length > 0);
  });
});
