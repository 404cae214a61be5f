/** How far the bytes of a message have got: nodemailer's error alone does not say whether the final dot was sent. */
import { Readable } from 'node:stream';

/** Holds the stream that `trackedStream` made. */
export interface Progress {
  of: Readable | null;
}

/**
 * `unopened`: no session was ready for the message (nodemailer asks for the stream right before MAIL FROM). `none`: not
 * one byte was read. `partly`: the final dot was not sent. `all`: it was, or is about to be.
 */
export type StreamState = 'unopened' | 'none' | 'partly' | 'all';

/** How far a stream was read. */
export function stateOf({ of }: Progress): StreamState {
  if (of === null) return 'unopened';
  if (!of.readableDidRead) return 'none';
  return of.readableEnded ? 'all' : 'partly';
}

/**
 * Sends, and once more if the server had closed the kept connection before a byte of the message was read.
 * (nodemailer's own `maxRequeues` cannot tell that from a server that closes before it greets, and would knock there
 * again, too.)
 */
export async function overReusedConnection<T>(progress: Progress, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (stateOf(progress) !== 'none' || !isReusedAndClosed(error)) throw error;
    progress.of = null;
    return send();
  }
}

/** No other error of nodemailer's pool has a code and no command. */
function isReusedAndClosed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNECTION' && !('command' in error);
}

const pieceBytes = 16_384;

/**
 * In pieces: a single chunk would end the stream long before the connection had sent it. The end comes one turn after
 * the last piece: a reply that arrived together with 354 is read before it, and so is never taken for acceptance.
 */
export function trackedStream(bytes: Uint8Array, progress: Progress): Readable {
  let at = 0;
  progress.of = new Readable({
    highWaterMark: 1,
    read() {
      const piece = bytes.subarray(at, at + pieceBytes);
      at += pieceBytes;
      if (piece.length > 0) this.push(piece);
      else setImmediate(() => this.destroyed || this.push(null));
    },
  });
  return progress.of;
}
