/** 10,000 open streams in one process: its memory, its questions to the database, and that each hears what is its own. */
import { connect, type Socket } from 'node:net';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { herald, noticeFile } from '../inbox/support.ts';
import { greeting } from '../support/application.ts';
import { programs } from '../support/processes.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: noticeFile } });
const start = programs(afterAll);
const streams = 10_000;
const maxBytes = 500e6;

/** A page as cheap as can be: a socket that counts its events. */
interface Page {
  readonly socket: Socket;
  text: string;
}

async function openPages(port: number): Promise<Page[]> {
  const pages: Page[] = [];
  for (let n = 0; n < streams; n++) {
    const socket = connect({ port, host: '127.0.0.1' });
    const page: Page = { socket, text: '' };
    socket.setEncoding('utf8').on('data', (chunk: string) => (page.text += chunk));
    socket.on('error', () => undefined);
    socket.write(`GET /stream HTTP/1.1\r\nHost: acme.example\r\nx-user: u${n}\r\n\r\n`);
    pages.push(page);
    // As many at a time as a listening socket takes.
    if (n % 500 === 499) await until(() => pages.every(({ text }) => text.includes('retry:')), { timeoutMs: 60_000 });
  }
  return pages;
}

const events = ({ text }: Page) => text.split('event: change').length - 1;

test(`${streams} streams take less than ${maxBytes / 1e6} MB, and each hears of its own items`, async () => {
  const program = start(new URL('../inbox/inbox-program.ts', import.meta.url), { args: [database.url] });
  onTestFinished(async () => void (await program.kill()));
  const port = Number((await program.line(/^listening/, { timeoutMs: 30_000 })).split(' ')[1]);
  const memory = async () => (await (await fetch(`http://127.0.0.1:${port}/memory`)).json()) as { rss: number };
  const before = (await memory()).rss;
  const pages = await openPages(port);
  onTestFinished(() => pages.forEach(({ socket }) => socket.destroy()));
  await until(() => pages.every((page) => events(page) === 1), { timeoutMs: 120_000, intervalMs: 100 });
  const to = Array.from({ length: streams }, (_, n) => ({ id: `u${n}` }));
  await herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to,
    labels: { who: 'everybody' },
    methods: ['inbox'],
  });
  await until(() => pages.every((page) => events(page) === 2), { timeoutMs: 120_000, intervalMs: 100 });
  await herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'u7' },
    labels: { who: 'one' },
    methods: ['inbox'],
  });
  await until(() => events(pages[7] as Page) === 3, { timeoutMs: 30_000 });
  expect(pages.filter((page) => events(page) === 3)).toHaveLength(1);
  const after = (await memory()).rss;
  console.log(`${Math.round(before / 1e6)} MB before, ${Math.round(after / 1e6)} MB with ${streams} streams`);
  expect(after).toBeLessThan(maxBytes);
  const { rows } = await database.pool.query(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
  );
  expect(rows).toEqual([{ n: 1 }]);
});
