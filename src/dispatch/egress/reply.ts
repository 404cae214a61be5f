/** Reads the start of a response, bounded in bytes and in time. */
import type { Dispatcher } from 'undici';
import { EgressError } from './faults.ts';

/** The connection is closed after this many bytes of a body. */
const maxReadBytes = 65_536;
/** Bytes of the body to keep, for formats that look into it and for the operator. */
const maxRetainedBytes = 2_048;
/** Interim responses such as 103 are not the response. More than this many are an attack or a bug. */
const maxInterim = 32;
/** Time for the body once the headers are there. The status decides; the body is optional. */
const maxBodyMs = 5_000;

/** A response. */
export interface EgressReply {
  readonly status: number;
  /** Names in lower case; several values of one name are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** At most 2 KB of the body, as it came. */
  readonly body: string;
  readonly bytesRead: number;
  /** Whether the receiver sent, or announced, more than `body`. */
  readonly truncated: boolean;
  /** Whether the whole response was read, so that the connection can be reused. */
  readonly complete: boolean;
  /** From the start of the call. */
  readonly milliseconds: number;
}

/** A response as the reader returns it. */
export type ReadReply = Omit<EgressReply, 'milliseconds'>;

type ResponseHeaders = Dispatcher.ResponseData['headers'];

/**
 * An undici handler for one response, without the stream that undici would create for the body. Rejects only if there
 * was no status line: a body that breaks off changes nothing. The caller destroys the connection of an incomplete
 * reply.
 */
export function replyReader(
  resolve: (reply: ReadReply) => void,
  reject: (error: Error) => void,
): Dispatcher.DispatchHandler {
  let head: { readonly status: number; readonly headers: ResponseHeaders } | null = null;
  let timer: NodeJS.Timeout | undefined;
  const retained: Buffer[] = [];
  let bytesRead = 0;
  let interim = 0;

  function end(complete: boolean): void {
    clearTimeout(timer);
    if (head === null) return;
    const body = retained.length === 0 ? '' : Buffer.concat(retained).toString('utf8');
    const truncated = !complete || bytesRead > maxRetainedBytes;
    resolve({ status: head.status, headers: flatHeaders(head.headers), body, bytesRead, truncated, complete });
  }

  return {
    onRequestStart: () => undefined,
    onResponseStart(controller, status, headers) {
      if (status < 200) {
        interim += 1;
        if (interim > maxInterim) controller.abort(new EgressError('unparsable_reply', 'TOO_MANY_INTERIM_RESPONSES'));
        return;
      }
      head = { status, headers };
      timer = setTimeout(end, maxBodyMs, false);
    },
    onResponseData(_controller, chunk) {
      if (bytesRead < maxRetainedBytes) retained.push(Buffer.from(chunk.subarray(0, maxRetainedBytes - bytesRead)));
      bytesRead += chunk.length;
      if (bytesRead >= maxReadBytes) end(false);
    },
    onResponseEnd: () => end(true),
    onResponseError(_controller, error) {
      end(false);
      reject(error);
    },
  };
}

function flatHeaders(headers: ResponseHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name] = typeof value === 'string' ? value : value.join(', ');
  return flat;
}
