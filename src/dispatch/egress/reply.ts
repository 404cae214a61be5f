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

/** Never rejects: once a status line is here, a body that breaks off changes nothing. */
export async function readReply(response: Dispatcher.ResponseData): Promise<Omit<EgressReply, 'milliseconds'>> {
  const { body } = response;
  const kept: Buffer[] = [];
  let bytesRead = 0;
  let complete = false;
  const timer = setTimeout(() => body.destroy(), maxBodyMs);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (bytesRead < maxKeptBytes) kept.push(chunk.subarray(0, maxKeptBytes - bytesRead));
      bytesRead += chunk.length;
      if (bytesRead >= maxReadBytes) break;
    }
    complete = bytesRead < maxReadBytes && body.readableEnded;
  } catch {
    // Cut by the receiver, by the timer or by the deadline of the call.
  } finally {
    clearTimeout(timer);
  }
  return {
    status: response.statusCode,
    headers: flatHeaders(response.headers),
    body: Buffer.concat(kept).toString('utf8'),
    bytesRead,
    complete,
  };
}

function flatHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const entries = Object.entries(headers).filter(
    (entry): entry is [string, string | string[]] => entry[1] !== undefined,
  );
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')]),
  );
}
