/**
 * Live pages: one look at the database a second feeds all open pages, and none is taken while no page is open. A page hears which
 * topic has changed and fetches itself again; so whatever is shown is rendered in one place. After the first look for a page it hears
 * `here`, and fetches itself, too: something may have changed between its making and this look.
 */
import type { Pool } from 'pg';
import type { Status } from '../operate/status.ts';
import type { Catches } from './captured.ts';
import type { Kept } from './cached.ts';

/** `overview`: counts or pauses. `messages`: there are new ones. `message`: one that the page shows. `caught`: the catcher's list. */
export type Topic = 'overview' | 'messages' | 'message' | 'caught';

interface Client {
  /** Not looked for yet: what has changed since its page was made is not known. */
  isNew: boolean;
  readonly messageIds: ReadonlySet<string>;
  readonly send: (text: string) => void;
  readonly end: () => void;
}

export interface LiveOptions {
  readonly pool: Pool;
  readonly status: Kept<Status>;
  readonly catches: Catches | null;
  readonly onError: (error: unknown) => void;
  /** Between two looks. Default 1,000. */
  readonly lookMs?: number;
  /** A comment that keeps proxies from ending the stream. Default 15,000. */
  readonly pingMs?: number;
}

/** Messages that one page may watch, and streams that one process keeps open. */
const mostWatched = 200;
const mostClients = 500;

export interface Live {
  /** A stream of server-sent events for one page; null when there are too many, or after `close`. */
  open(messageIds: readonly string[]): Response | null;
  /** Ends all streams. */
  close(): void;
}

export function createLive(options: LiveOptions): Live {
  const { lookMs = 1000, pingMs = 15_000 } = options;
  const clients = new Set<Client>();
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let lastPing = 0;
  let seen = new Map<string, string>();

  function schedule(): void {
    if (closed || clients.size === 0 || timer !== null) return;
    timer = setTimeout(() => {
      void look().finally(() => {
        timer = null;
        schedule();
      });
    }, lookMs);
  }

  async function look(): Promise<void> {
    try {
      // Those who come while the database is asked are not answered by this look.
      const present = [...clients];
      const watched = new Set(present.flatMap((client) => [...client.messageIds]));
      const next = await statesOf(options, [...watched]);
      for (const client of present.filter((one) => clients.has(one))) {
        if (client.isNew) client.send('event: here\ndata: \n\n');
        client.isNew = false;
        // What is seen for the first time has not changed.
        const changed = [...next].filter(
          ([key, state]) => seen.has(key) && seen.get(key) !== state && hears(client, key),
        );
        for (const topic of new Set(changed.map(([key]) => topicOf(key)))) client.send(`event: ${topic}\ndata: \n\n`);
      }
      seen = next;
    } catch (error) {
      options.onError(error);
    }
    if (Date.now() - lastPing < pingMs) return;
    lastPing = Date.now();
    for (const client of clients) client.send(': ping\n\n');
  }

  return {
    open(messageIds) {
      if (closed || clients.size >= mostClients) return null;
      let client: Client;
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          const encoder = new TextEncoder();
          client = {
            isNew: true,
            messageIds: new Set(messageIds.slice(0, mostWatched)),
            send: (text) => controller.enqueue(encoder.encode(text)),
            end: () => controller.close(),
          };
          client.send('retry: 2000\n\n');
          clients.add(client);
          schedule();
        },
        cancel() {
          clients.delete(client);
        },
      });
      return new Response(stream, {
        headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' },
      });
    },
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      for (const client of clients) client.end();
      clients.clear();
    },
  };
}

function topicOf(key: string): Topic {
  return key === 'overview' || key === 'messages' || key === 'caught' ? key : 'message';
}

function hears(client: Client, key: string): boolean {
  return topicOf(key) !== 'message' || client.messageIds.has(key);
}

/** Everything that a page may wait for, each with a text that changes when it does. */
async function statesOf({ pool, status, catches }: LiveOptions, ids: readonly string[]): Promise<Map<string, string>> {
  const [counts, newest, watched, caught] = await Promise.all([
    status.get(),
    pool.query<{ id: string }>('SELECT id FROM herald.message ORDER BY created_at DESC, id DESC LIMIT 1'),
    ids.length === 0
      ? { rows: [] }
      : pool.query<{ id: string; state: string }>(
          `SELECT id, concat_ws(' ', status, attempts, counted, next_attempt_at, settled_at) AS state FROM herald.message WHERE id = ANY ($1)`,
          [ids],
        ),
    catches?.list(),
  ]);
  return new Map([
    ['overview', JSON.stringify(counts, coarse)],
    ['messages', newest.rows[0]?.id ?? ''],
    ...watched.rows.map((row) => [row.id, row.state] as const),
    ...(caught === undefined ? [] : [['caught', `${caught.length} ${caught[0]?.id ?? ''}`] as const]),
  ]);
}

/** An age grows all the time: every few seconds suffices. */
function coarse(key: string, value: unknown): unknown {
  return key === 'oldestDueSeconds' && typeof value === 'number' ? Math.floor(value / 5) : value;
}
