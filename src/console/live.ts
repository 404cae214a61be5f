/**
 * Live pages by server-sent events. One poll of the database per second serves all open pages; nothing is polled
 * while no page is open. A page hears which topic has changed and fetches itself again, so everything is rendered in
 * one place. A new page first hears `here` and fetches itself, so that it misses nothing between its rendering and
 * its first poll.
 */
import type { Pool } from 'pg';
import type { Status } from '../operate/status.ts';
import type { Cached } from './cached.ts';
import type { CapturedMessages } from './options.ts';

/**
 * `overview`: counts or pauses. `messages`: new ones. `message`: one that the page shows. `captured`: the catcher's
 * list.
 */
export type Topic = 'overview' | 'messages' | 'message' | 'captured';

interface Client {
  /** Not polled for yet: what changed since its page was rendered is not known. */
  isNew: boolean;
  readonly operator: string;
  readonly messageIds: ReadonlySet<string>;
  readonly send: (text: string) => void;
  readonly end: () => void;
}

/** What live pages read, and how often. */
export interface LiveOptions {
  readonly pool: Pool;
  readonly status: Cached<Status>;
  readonly captured: CapturedMessages | null;
  readonly onError: (error: unknown) => void;
  /** Between two polls, in milliseconds. Default: 1,000. */
  readonly pollMs?: number;
  /** Between two comments that keep proxies from ending a stream, in milliseconds. Default: 15,000. */
  readonly pingMs?: number;
}

const maxWatchedMessages = 200;
const maxStreams = 500;
const maxStreamsPerOperator = 20;

/** The streams of all open pages. */
export interface Live {
  /** Opens the stream of one page. Null if there are too many, 20 of one operator or 500 in all, or after `close`. */
  open(operator: string, messageIds: readonly string[]): Response | null;
  /** Ends all streams. */
  close(): void;
}

/** Creates the streams' common poll, which runs only while a page is open. */
export function createLive(options: LiveOptions): Live {
  const { pollMs = 1000, pingMs = 15_000 } = options;
  const clients = new Set<Client>();
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let lastPingAt = 0;
  let lastStates = new Map<string, string>();

  function schedule(): void {
    if (closed || clients.size === 0 || timer !== null) return;
    timer = setTimeout(() => {
      void poll().finally(() => {
        timer = null;
        schedule();
      });
    }, pollMs);
  }

  async function poll(): Promise<void> {
    try {
      // Clients that connect while the database is asked wait for the next poll.
      const present = [...clients];
      const states = await readStates(options, new Set(present.flatMap((client) => [...client.messageIds])));
      // A state that is known for the first time has not changed.
      const changed = [...states].filter(([key, state]) => lastStates.has(key) && lastStates.get(key) !== state);
      const keys = changed.map(([key]) => key);
      for (const client of present.filter((one) => clients.has(one))) notify(client, keys);
      lastStates = states;
    } catch (error) {
      options.onError(error);
    }
    if (Date.now() - lastPingAt < pingMs) return;
    lastPingAt = Date.now();
    for (const client of clients) client.send(': ping\n\n');
  }

  return {
    open(operator, messageIds) {
      const own = [...clients].filter((client) => client.operator === operator).length;
      if (closed || clients.size >= maxStreams || own >= maxStreamsPerOperator) return null;
      const opened = openStream({ operator, messageIds }, (client) => clients.delete(client));
      clients.add(opened.client);
      schedule();
      return opened.response;
    },
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      for (const client of clients) client.end();
      clients.clear();
    },
  };
}

function openStream(
  { operator, messageIds }: { readonly operator: string; readonly messageIds: readonly string[] },
  onCancel: (client: Client) => void,
) {
  const encoder = new TextEncoder();
  let control: ReadableStreamDefaultController<Uint8Array>;
  const client: Client = {
    isNew: true,
    operator,
    messageIds: new Set(messageIds.slice(0, maxWatchedMessages)),
    send: (text) => control.enqueue(encoder.encode(text)),
    end: () => control.close(),
  };
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (control = controller),
    cancel: () => onCancel(client),
  });
  client.send('retry: 2000\n\n');
  const response = new Response(stream, {
    headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' },
  });
  return { client, response };
}

function notify(client: Client, changedKeys: readonly string[]): void {
  const topics = changedKeys
    .filter((key) => topicOf(key) !== 'message' || client.messageIds.has(key))
    .map((key) => topicOf(key));
  for (const topic of new Set([...(client.isNew ? ['here'] : []), ...topics]))
    client.send(`event: ${topic}\ndata: \n\n`);
  client.isNew = false;
}

function topicOf(key: string): Topic {
  return key === 'overview' || key === 'messages' || key === 'captured' ? key : 'message';
}

/** Everything that a page may wait for, each with a text that changes when it does. */
async function readStates(
  { pool, status, captured }: LiveOptions,
  ids: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const [counts, newest, watched, capturedList] = await Promise.all([
    status.get(),
    pool.query<{ id: string }>('SELECT id FROM herald.message ORDER BY created_at DESC, id DESC LIMIT 1'),
    ids.size === 0
      ? { rows: [] }
      : pool.query<{ id: string; state: string }>(
          `SELECT id, concat_ws(' ', status, attempts, counted, next_attempt_at, settled_at) AS state
           FROM herald.message WHERE id = ANY ($1)`,
          [[...ids]],
        ),
    captured?.list(),
  ]);
  return new Map([
    ['overview', JSON.stringify(counts, coarse)],
    ['messages', newest.rows[0]?.id ?? ''],
    ...watched.rows.map((row) => [row.id, row.state] as const),
    ...(capturedList === undefined
      ? []
      : [['captured', `${capturedList.length} ${capturedList[0]?.id ?? ''}`] as const]),
  ]);
}

/** An age grows constantly; a change every five seconds suffices. */
function coarse(key: string, value: unknown): unknown {
  return key === 'oldestDueSeconds' && typeof value === 'number' ? Math.floor(value / 5) : value;
}
