/** One open stream of server-sent events. */
import type { ItemCounts, Item } from '../item.ts';

/** How much may wait for a reader whose connection is slow, in bytes. */
const maxWaitingBytes = 256 * 1024;
/** When the browser connects again, in milliseconds. */
const retryMs = 2000;

/** A connection to one reader's page. */
export interface Connection {
  readonly recipientId: string;
  readonly tenant: string | null;
  /** The reader as it is told to the page. */
  readonly readerKey: string;
  /** What the page was told up to here; null: it was told nothing. */
  token: string | null;
  /** Something may have changed since the token. */
  behind: boolean;
  /** The first event was sent. */
  begun: boolean;
  /** When the next sign of life is due, and when the stream ends, by `performance.now()`. */
  aliveAt: number;
  readonly endsAt: number;
  /** Sends text. False: the connection is over, or was ended because too much waits for it. */
  send(text: string): boolean;
  end(): void;
}

/** What begins a stream. */
export interface ConnectionStart {
  readonly recipientId: string;
  readonly tenant: string | null;
  readonly readerKey: string;
  readonly token: string | null;
  readonly aliveAt: number;
  readonly endsAt: number;
}

const encoder = new TextEncoder();

/** Servers take this code for a page that went away, and print nothing. */
const tooSlow = () => Object.assign(new Error('the page is too slow'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });

/** Opens a stream. `onEnd` is called once, when the page goes away or the stream is ended. */
export function openConnection(
  start: ConnectionStart,
  onEnd: (connection: Connection) => void,
): { readonly connection: Connection; readonly response: Response } {
  let control: ReadableStreamDefaultController<Uint8Array> | null = null;
  const finish = () => {
    const open = control;
    control = null;
    if (open !== null) onEnd(connection);
    return open;
  };
  const connection: Connection = {
    ...start,
    behind: true,
    begun: false,
    send(text) {
      if (control === null) return false;
      control.enqueue(encoder.encode(text));
      // The page resumes from the last event that it has, so a slow one loses nothing.
      if ((control.desiredSize ?? 0) < 0) connection.end();
      return control !== null;
    },
    end() {
      const open = finish();
      // A closed stream keeps what waits for a page that does not read, and its socket; one in error drops both.
      if ((open?.desiredSize ?? maxWaitingBytes) < maxWaitingBytes / 2) open?.error(tooSlow());
      else open?.close();
    },
  };
  const body = new ReadableStream<Uint8Array>(
    { start: (controller) => void (control = controller), cancel: () => void finish() },
    new ByteLengthQueuingStrategy({ highWaterMark: maxWaitingBytes }),
  );
  connection.send(`retry: ${retryMs}\n\n`);
  const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };
  return { connection, response: new Response(body, { headers: { ...headers, 'X-Content-Type-Options': 'nosniff' } }) };
}

/** The text of an event with what changed; without items, the page must fetch its list again. */
export function eventText(
  { token, readerKey }: { readonly token: string; readonly readerKey: string },
  items: readonly Item[] | null,
  counts: ItemCounts,
): string {
  const { unread, unseen } = counts;
  const data = items === null ? { reader: readerKey, unread, unseen } : { reader: readerKey, items, unread, unseen };
  return `id: ${token}\nevent: ${items === null ? 'reload' : 'change'}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Moves the place from which the page resumes, raises no event, and keeps proxies from ending the stream. */
export function signOfLife(token: string): string {
  return `: alive\nid: ${token}\n\n`;
}
