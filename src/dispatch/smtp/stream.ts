/** How far a message's bytes have got: nodemailer's error alone does not say whether the final dot had left. */
import { Readable } from 'node:stream';

/** Where `trackStream` keeps the stream: put it into the mail as `progress`. */
export interface Progress {
  of: Readable | null;
}

/**
 * `unopened`: no session was ready for the message (nodemailer asks for the stream right before MAIL FROM). `none`: not one
 * byte was read. `partly`: the final dot was not sent. `all`: it was, or is about to be.
 */
export type StreamState = 'unopened' | 'none' | 'partly' | 'all';

export function stateOf({ of }: Progress): StreamState {
  if (of === null) return 'unopened';
  if (!of.readableDidRead) return 'none';
  return of.readableEnded ? 'all' : 'partly';
}

interface StreamedMail {
  readonly data: { readonly progress?: Progress; readonly raw?: unknown };
  readonly message: { createReadStream: (options?: never) => Readable };
}

/**
 * Sends, and once more if the server had closed the kept connection before a byte of the message was read. (nodemailer's own
 * `maxRequeues` cannot tell that from a server that closes before it greets, and would knock there again, too.)
 */
export async function overKeptConnection<T>(progress: Progress, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (stateOf(progress) !== 'none' || !isKeptAndClosed(error)) throw error;
    progress.of = null;
    return send();
  }
}

/** Only this error of nodemailer's pool has a code and no command. */
function isKeptAndClosed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNECTION' && !('command' in error);
}

/** A `stream` plugin of nodemailer, for mails that are written already (`raw`). */
export function trackStream(mail: StreamedMail, next: (error?: Error | null) => void): void {
  const { progress, raw } = mail.data;
  if (progress !== undefined && raw instanceof Uint8Array) {
    mail.message.createReadStream = () => {
      progress.of = Readable.from(piecesOf(raw), { objectMode: false });
      return progress.of;
    };
  }
  next();
}

const pieceBytes = 16_384;

/** As a whole it would be read, and the stream ended, before the connection had taken more than a little of it. */
function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
