/** Reads as much of a response as is worth keeping, and not for long. */
import type { Dispatcher } from 'undici';

/** Bytes read before the connection is cut; a receiver may send what it likes. */
const maxReadBytes = 65_536;
/** Bytes kept for the formats that look into the body and for the operator. */
const maxKeptBytes = 2_048;
/** Time for the body once the headers are there: the verdict is in the status, the body is courtesy. */
const maxBodyMs = 5_000;

export interface EgressReply {
  readonly status: number;
  /** Names in lower case; several values of one name are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** At most 2 KB of the body, as it came. */
  readonly body: string;
  readonly bytesRead: number;
  /** Whether the whole response was read, so that the connection can be used again. */
  readonly complete: boolean;
  /** From the start of the call. */
  readonly milliseconds: number;
}

export type ReadReply = Omit<EgressReply, 'milliseconds'>;

type ResponseHeaders = Dispatcher.ResponseData['headers'];

/**
 * What undici tells about one response, without the stream that it would make of the body. Rejects only when there was no status
 * line: a body that breaks off changes nothing. Whoever gets a reply that is not complete destroys the connection.
 */
export function replyReader(
  resolve: (reply: ReadReply) => void,
  reject: (error: Error) => void,
): Dispatcher.DispatchHandler {
  let head: { readonly status: number; readonly headers: ResponseHeaders } | null = null;
  let timer: NodeJS.Timeout | undefined;
  const kept: Buffer[] = [];
  let bytesRead = 0;

  function end(complete: boolean): void {
    clearTimeout(timer);
    if (head === null) return;
    const body = kept.length === 0 ? '' : Buffer.concat(kept).toString('utf8');
    resolve({ status: head.status, headers: flatHeaders(head.headers), body, bytesRead, complete });
  }

  return {
    onRequestStart: () => undefined,
    onResponseStart(_controller, status, headers) {
      // What comes before the answer, as 103 does, says nothing about it.
      if (status < 200) return;
      head = { status, headers };
      timer = setTimeout(end, maxBodyMs, false);
    },
    onResponseData(_controller, chunk) {
      if (bytesRead < maxKeptBytes) kept.push(Buffer.from(chunk.subarray(0, maxKeptBytes - bytesRead)));
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
