/**
 * All open streams of a process. One session listens, and one query finds for whom anything changed, at most every 200
 * ms, whatever the number of streams. Each stream has its own token, the snapshot that its page was told last. What
 * is sent is what that snapshot did not see, so that nothing is lost or repeated, whoever committed when, and whichever
 * process a page comes back to.
 */
import type { Pool } from 'pg';
import type { ItemRenderer } from '../render-items.ts';
import { type Connection, eventText, openConnection, signOfLife } from './connection.ts';
import { type News, readChanged, readNews } from './news.ts';
import { createRounds } from './rounds.ts';
import { listenForChanges, type WakeUps } from './wake-ups.ts';

/** What streams need. */
export interface StreamsOptions {
  readonly pool: Pool;
  readonly render: ItemRenderer;
  readonly onError: (error: unknown) => void;
  /** Shortest time between two queries, in milliseconds. Default 200. */
  readonly leastMs?: number;
  /** Longest time between two queries, in milliseconds, for where NOTIFY does not arrive. Default 2,000. */
  readonly pollMs?: number;
  /** Between two signs of life, in milliseconds. Default 25,000. */
  readonly aliveMs?: number;
  /** How long a stream lasts until its reader is asked for again, in milliseconds ±20 %. Default 900,000. */
  readonly lastsMs?: number;
}

/** Who reads, and from where. */
export interface StreamRequest {
  readonly recipientId: string;
  readonly tenant: string | null;
  readonly readerKey: string;
  /** What the page has seen; null: from now on. */
  readonly token: string | null;
}

/** The open streams. */
export interface Streams {
  /** Opens a stream, or says why not. */
  open(request: StreamRequest): Response | 'too_many' | 'full' | 'closed';
  /** How many are open. */
  readonly size: number;
  /** Ends all, and returns the connection of the pool. */
  close(): void;
}

const maxStreams = 20_000;
const maxStreamsPerReader = 20;
/** Readers per statement. */
const batchSize = 500;

/** Creates the streams. Nothing is asked of the database while none is open. */
export function createStreams(options: StreamsOptions): Streams {
  const { pool, leastMs = 200, pollMs = 2000, aliveMs = 25_000, lastsMs = 900_000, onError } = options;
  const readers = createRegister();
  let closed = false;
  let token: string | null = null;
  let wakeUps: WakeUps | null = null;

  async function work(): Promise<void> {
    const present = [...readers.all()];
    try {
      const changed = await readChanged(pool, token);
      markBehind(present, readers, changed.recipientIds);
      token = changed.token;
      for (const one of present) if (!one.behind) one.token = token;
      await tellNews(present.filter(isBehind), options);
    } finally {
      for (const one of present) endOrKeepAlive(one, aliveMs);
    }
  }
  const rounds = createRounds({ leastMs, pollMs, isNeeded: () => readers.size > 0, work, onError });

  function onEnd(connection: Connection): void {
    readers.delete(connection);
    if (readers.size > 0) return;
    wakeUps?.stop();
    wakeUps = null;
    token = null;
  }

  function add(request: StreamRequest): Response {
    const now = performance.now();
    // Spread, so that a restart does not bring all streams back in one moment again and again.
    const endsAt = now + lastsMs * (0.8 + 0.4 * Math.random());
    const { connection, response } = openConnection({ ...request, aliveAt: now + aliveMs, endsAt }, onEnd);
    readers.add(connection);
    wakeUps ??= listenForChanges(pool, { onWake: () => rounds.wake(), onError });
    rounds.wake();
    return response;
  }

  return {
    get size() {
      return readers.size;
    },
    open(request) {
      if (closed) return 'closed';
      if (readers.size >= maxStreams) return 'full';
      return readers.of(request.recipientId).size >= maxStreamsPerReader ? 'too_many' : add(request);
    },
    close() {
      closed = true;
      rounds.stop();
      for (const connection of [...readers.all()]) connection.end();
      wakeUps?.stop();
    },
  };
}

/** The open connections, also by recipient. */
function createRegister() {
  const connections = new Set<Connection>();
  const byRecipient = new Map<string, Set<Connection>>();
  const none: ReadonlySet<Connection> = new Set();
  return {
    get size() {
      return connections.size;
    },
    all: (): Iterable<Connection> => connections,
    of: (recipientId: string) => byRecipient.get(recipientId) ?? none,
    add(connection: Connection): void {
      connections.add(connection);
      const own = byRecipient.get(connection.recipientId);
      if (own === undefined) byRecipient.set(connection.recipientId, new Set([connection]));
      else own.add(connection);
    },
    delete(connection: Connection): void {
      connections.delete(connection);
      const own = byRecipient.get(connection.recipientId);
      own?.delete(connection);
      if (own?.size === 0) byRecipient.delete(connection.recipientId);
    },
  };
}

const isBehind = (one: Connection): boolean => one.behind;

/** A stream stays behind until it was told: a failed statement loses nothing. */
function markBehind(
  present: readonly Connection[],
  readers: ReturnType<typeof createRegister>,
  recipientIds: readonly string[] | null,
): void {
  if (recipientIds === null) for (const one of present) one.behind = true;
  else for (const id of new Set(recipientIds)) for (const one of readers.of(id)) one.behind = true;
}

/** Tabs of one reader that were told the same share a row. */
async function tellNews(behind: readonly Connection[], { pool, render, onError }: StreamsOptions): Promise<void> {
  const groups = Object.values(
    Object.groupBy(behind, (one) => JSON.stringify([one.recipientId, one.tenant, one.token])),
  );
  for (let from = 0; from < groups.length; from += batchSize) {
    const batch = groups.slice(from, from + batchSize).filter((group) => group !== undefined);
    const told = batch.flatMap((group) => group.slice(0, 1));
    try {
      const news = await readNews(pool, told);
      for (const [index, group] of batch.entries()) {
        const one = news[index];
        if (one !== undefined) await tell(group, one, { pool, render });
      }
    } catch (error) {
      // The others are told; these stay behind.
      onError(error);
    }
  }
}

async function tell(
  group: readonly Connection[],
  news: News,
  { pool, render }: Pick<StreamsOptions, 'pool' | 'render'>,
): Promise<void> {
  const { token, sources } = news;
  const items = sources === null ? null : await render(pool, sources);
  for (const one of group) {
    one.token = token;
    one.behind = false;
    if (one.begun && items?.length === 0) continue;
    one.begun = true;
    one.send(eventText({ token, readerKey: one.readerKey }, items, news));
  }
}

function endOrKeepAlive(connection: Connection, aliveMs: number): void {
  const now = performance.now();
  if (connection.endsAt <= now) return connection.end();
  if (connection.aliveAt > now || connection.behind || connection.token === null) return;
  connection.aliveAt = now + aliveMs;
  connection.send(signOfLife(connection.token));
}
