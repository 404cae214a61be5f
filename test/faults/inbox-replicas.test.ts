/**
 * Pages follow their streams while replicas are killed, transactions stay open and marks come from elsewhere. At the end
 * each page has every item once, in the state that the database has.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { items, noticeFile, notify } from '../inbox/support.ts';
import { programs } from '../support/processes.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: noticeFile } });
const start = programs(afterAll);
const seconds = 25;
const readers = ['ann', 'ben', 'cid', 'dot'];

interface Told {
  readonly id: string;
  readonly readAt: string | null;
  readonly createdAt: string;
}

/** A page: what it was told, by item, and how often it was told each state. */
function page(user: string, ports: () => readonly number[]) {
  const state = {
    items: new Map<string, Told>(),
    repeated: 0,
    reloads: 0,
    resumes: 0,
    token: '',
    counts: { unread: -1 },
    stopped: false,
  };
  const take = (block: string) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
    state.token = field('id') ?? state.token;
    const data = field('data');
    if (data === undefined) return;
    if (field('event') === 'reload') state.reloads += 1;
    const told = JSON.parse(data) as { items?: Told[]; unread: number };
    state.counts = told;
    for (const item of told.items ?? []) {
      if (JSON.stringify(state.items.get(item.id)) === JSON.stringify(item)) state.repeated += 1;
      state.items.set(item.id, item);
    }
  };
  const follow = async () => {
    for (let n = 0; !state.stopped; n++) {
      const port = ports()[n % 2] ?? 0;
      try {
        const response = await fetch(`http://127.0.0.1:${port}/stream`, {
          headers: { 'x-user': user, ...(state.token && { 'last-event-id': state.token }) },
        });
        state.resumes += 1;
        let text = '';
        const decoder = new TextDecoder();
        for await (const chunk of response.body ?? []) {
          text += decoder.decode(chunk, { stream: true });
          const blocks = text.split('\n\n');
          text = blocks.pop() ?? '';
          blocks.forEach(take);
          if (state.stopped) return;
        }
      } catch {
        await pause(50);
      }
    }
  };
  void follow();
  return state;
}

test('no item is lost or told twice', async () => {
  const replicas = await Promise.all([0, 1].map(() => startReplica()));
  const pages = readers.map((user) => page(user, () => replicas.map(({ port }) => port)));
  onTestFinished(() => pages.forEach((one) => (one.stopped = true)));
  await until(() => pages.every(({ token }) => token !== ''), { timeoutMs: 20_000 });

  const endsAt = Date.now() + seconds * 1000;
  const expected = new Map(readers.map((user) => [user, 0]));
  const writers = Array.from({ length: 4 }, async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    while (Date.now() < endsAt) {
      const user = readers[Math.floor(Math.random() * readers.length)] ?? '';
      await client.query('BEGIN');
      await notify(client, user, 'x');
      // Some commit long after transactions that began later.
      await pause(Math.random() < 0.2 ? 1500 * Math.random() : 100);
      const rolledBack = Math.random() < 0.2;
      await client.query(rolledBack ? 'ROLLBACK' : 'COMMIT');
      if (!rolledBack) expected.set(user, (expected.get(user) ?? 0) + 1);
      if (Math.random() < 0.3) {
        const { token } = await items.list(client, { recipientId: user, limit: 1 });
        await items.mark(client, { recipientId: user, as: 'read', asOf: token });
      }
    }
    await client.end();
  });
  const killer = (async () => {
    for (let n = 0; Date.now() < endsAt - 2000; n++) {
      await pause(1000);
      const index = n % 2;
      await replicas[index]?.program.kill();
      replicas[index] = await startReplica();
    }
  })();
  await Promise.all([...writers, killer]);

  for (const [index, user] of readers.entries()) {
    const told = pages[index];
    const { rows } = await database.pool.query(
      `SELECT message_id AS id, read_at IS NULL AS unread FROM herald.inbox WHERE recipient_id = $1 ORDER BY message_id`,
      [user],
    );
    expect(rows).toHaveLength(expected.get(user) ?? 0);
    await until(
      () => {
        expect(
          [...(told?.items.values() ?? [])]
            .map(({ id, readAt }) => ({ id, unread: readAt === null }))
            .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        ).toEqual(rows);
        expect(told?.counts.unread).toBe(rows.filter(({ unread }: { unread: boolean }) => unread).length);
        return true;
      },
      { timeoutMs: 15_000 },
    );
    expect(told).toMatchObject({ repeated: 0, reloads: 0 });
    expect(told?.resumes).toBeGreaterThan(3);
  }

  async function startReplica() {
    const program = start(new URL('../inbox/inbox-program.ts', import.meta.url), { args: [database.url] });
    onTestFinished(async () => void (await program.kill()));
    return { program, port: Number((await program.line(/^listening/, { timeoutMs: 30_000 })).split(' ')[1]) };
  }
});
