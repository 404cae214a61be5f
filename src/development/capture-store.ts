/** Keeps the newest captured emails and webhook calls in memory. */
import { randomUUID } from 'node:crypto';
import type { CapturedMessage, CapturedMessages } from '../console/options.ts';

/** What was captured, and where the catchers put it. */
export interface CaptureStore extends CapturedMessages {
  readonly add: (captured: Omit<CapturedMessage, 'id' | 'at'>) => Promise<void>;
}

interface CaptureStoreOptions {
  /** Whether the id is one of our messages. Emails of other programs may carry ids of the same form. */
  readonly isMessage: (id: string) => Promise<boolean>;
  /** Called for each one that is stored. */
  readonly onCapture?: (captured: CapturedMessage) => void;
}

const maxCaptured = 1000;

/** Creates an empty store. */
export function createCaptureStore({ isMessage, onCapture }: CaptureStoreOptions): CaptureStore {
  const newestFirst: CapturedMessage[] = [];
  return {
    add: async ({ messageId, ...captured }) => {
      const ours = messageId !== null && (await isMessage(messageId).catch(() => false));
      const stored: CapturedMessage = {
        id: randomUUID(),
        at: new Date(),
        messageId: ours ? messageId : null,
        ...captured,
      };
      newestFirst.unshift(stored);
      newestFirst.splice(maxCaptured);
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
