/** Keeps the newest captured emails and webhook calls in memory, within a bound on their number and their bytes. */
import { randomUUID } from 'node:crypto';
import type { CapturedMessage, CapturedMessages } from '../console/options.ts';

/** A captured message as a catcher hands it over. */
export interface NewCapture extends Pick<CapturedMessage, 'kind' | 'messageId' | 'to' | 'title'> {
  readonly raw: Buffer;
}

/** What was captured, and where the catchers put it. */
export interface CaptureStore extends CapturedMessages {
  /**
   * Reads a stream to its end. Returns null, and keeps nothing of it, if it has more than `maxBytes` or if what is
   * being read at the moment exceeds the bound of the store.
   */
  readonly read: (stream: AsyncIterable<Buffer>, maxBytes: number) => Promise<Buffer | null>;
  readonly add: (captured: NewCapture) => Promise<void>;
}

interface CaptureStoreOptions {
  /** Whether the id is one of our messages. Emails of other programs may carry ids of the same form. */
  readonly isMessage: (id: string) => Promise<boolean>;
  /** Called for each one that is stored. */
  readonly onCapture?: (captured: CapturedMessage) => void;
  /** Bytes of everything that is stored or being read. Default: 200,000,000. */
  readonly maxBytes?: number;
}

const maxCaptured = 1000;

/** Creates an empty store. */
export function createCaptureStore(options: CaptureStoreOptions): CaptureStore {
  const { isMessage, onCapture, maxBytes: maxTotal = 200_000_000 } = options;
  const newestFirst: CapturedMessage[] = [];
  let storedBytes = 0;
  let readingBytes = 0;

  const removeOldest = () => {
    storedBytes -= newestFirst.pop()?.raw.byteLength ?? 0;
  };
  /** Removes the oldest until there is room. Returns false if there is none even then. */
  const makeRoom = (): boolean => {
    while (newestFirst.length > 0 && storedBytes + readingBytes > maxTotal) removeOldest();
    return storedBytes + readingBytes <= maxTotal;
  };

  return {
    async read(stream, maxBytes) {
      const chunks: Buffer[] = [];
      let size = 0;
      let counted = 0;
      let refused = false;
      try {
        for await (const chunk of stream) {
          size += chunk.byteLength;
          if (refused) continue;
          chunks.push(chunk);
          counted += chunk.byteLength;
          readingBytes += chunk.byteLength;
          if (size <= maxBytes && makeRoom()) continue;
          // The sender is read to its end, so that it gets an answer, but nothing more is kept.
          refused = true;
          chunks.length = 0;
          readingBytes -= counted;
          counted = 0;
        }
      } finally {
        readingBytes -= counted;
      }
      return refused ? null : Buffer.concat(chunks);
    },
    async add({ messageId, raw, ...captured }) {
      const ours = messageId !== null && (await isMessage(messageId).catch(() => false));
      const stored = { id: randomUUID(), at: new Date(), messageId: ours ? messageId : null, raw, ...captured };
      newestFirst.unshift(stored);
      storedBytes += raw.byteLength;
      if (newestFirst.length > maxCaptured) removeOldest();
      makeRoom();
      onCapture?.(stored);
    },
    list: () => newestFirst,
    forMessage: (messageId) => newestFirst.filter((captured) => captured.messageId === messageId).toReversed(),
  };
}

/** Finds an id with the form of ours in a Message-ID or another header. */
export function messageIdIn(text: string | undefined): string | null {
  return /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(text ?? '')?.[0].toLowerCase() ?? null;
}
