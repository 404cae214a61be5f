/** Requests to the inbox of the server: JSON with a time limit, and errors that say what to do about them. */
import type { InboxCounts, InboxFilter, InboxMark, Page } from './items.ts';

/** What a mark is about: items by id, all about one thing, or all that the list with this token showed. */
export type MarkedItems =
  | { readonly ids: readonly string[] }
  | { readonly target: string }
  | ({ readonly asOf: string } & Pick<InboxFilter, 'template' | 'group'>);

/** The server refused a request, or could not be reached. */
export class InboxError extends Error {
  /** HTTP status; 0 if no answer came. */
  readonly status: number;
  /** The server's short word for it, for example `unauthorized` or `reload`; `network` if no answer came. */
  readonly code: string;
  /** How long the server asks to wait, in milliseconds; 0 if it does not say. */
  readonly retryAfterMs: number;

  constructor(message: string, { status, code, retryAfterMs = 0, cause }: InboxErrorDetails) {
    super(message, { cause });
    this.name = 'InboxError';
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the server refuses this person. A write that it takes for another site's is no such refusal. */
  get isRefusal(): boolean {
    return this.status === 401 || (this.status === 403 && this.code !== 'foreign_origin');
  }
}

/** What an `InboxError` knows besides its message. */
export interface InboxErrorDetails {
  /** HTTP status; 0 if no answer came. */
  readonly status: number;
  /** The server's short word. */
  readonly code: string;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The error beneath. */
  readonly cause?: unknown;
}

/** Sends the requests of one inbox. */
export interface Requests {
  readonly page: (options: { readonly cursor?: string | null; readonly limit: number }) => Promise<Page>;
  /** The server refuses it if `reader` is not the person who is signed in now; empty: whoever that is. */
  readonly mark: (mark: InboxMark, items: MarkedItems, reader: string) => Promise<InboxCounts>;
  /** Resolves when the server has accepted the stream. */
  readonly stream: (after: string, signal: AbortSignal) => Promise<Response>;
}

const limitMs = 15_000;

/** Requests below `url`, with the filter of the list. */
export function createRequests(url: string, filter: InboxFilter, fetch: typeof globalThis.fetch): Requests {
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(url + path, { credentials: 'same-origin', redirect: 'manual', ...init }).catch(lost);
    if (!response.ok) throw await errorOf(response);
    return response;
  };
  const json = async (path: string, init: RequestInit = {}) => {
    const response = await send(path, { ...init, signal: AbortSignal.timeout(limitMs) });
    return response.json().catch(lost);
  };
  return {
    page: ({ cursor, limit }) =>
      json(`/items?${new URLSearchParams({ ...filter, limit: String(limit), ...(cursor ? { cursor } : {}) })}`),
    mark: (mark, items, reader) =>
      json('/mark', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ as: mark, ...items, ...(reader !== '' && { reader }) }),
        // A click that leaves the page still marks.
        keepalive: true,
      }),
    stream: (after, signal) =>
      send(`/stream?${new URLSearchParams({ after })}`, { headers: { Accept: 'text/event-stream' }, signal }),
  };
}

function lost(cause: unknown): never {
  throw new InboxError('the inbox cannot be reached', { status: 0, code: 'network', cause });
}

async function errorOf(response: Response): Promise<InboxError> {
  // A redirect leads to a page for signing in.
  const status = response.type === 'opaqueredirect' ? 401 : response.status;
  const { error, message } = await response.json().catch(() => ({}));
  return new InboxError(String(message ?? `the inbox answered ${status}`), {
    status,
    code: String(error ?? 'http'),
    retryAfterMs: Number(response.headers.get('Retry-After')) * 1000 || 0,
  });
}
