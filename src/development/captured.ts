/** What was caught, newest first, in memory: the newest ones only. */
import { randomUUID } from 'node:crypto';
import type { Catch, Catches } from '../console/captured.ts';

export interface CaughtList extends Catches {
  readonly add: (caught: Omit<Catch, 'id' | 'at'>) => Promise<void>;
}

interface CatchesOptions {
  /** Whether there is such a message: mails of others carry ids of the same form. */
  readonly isMessage: (id: string) => Promise<boolean>;
  /** Called for each one that is added. */
  readonly onCatch?: (caught: Catch) => void;
}

const mostCatches = 1000;

export function createCatches({ isMessage, onCatch }: CatchesOptions): CaughtList {
  const newestFirst: Catch[] = [];
  return {
    add: async ({ messageId, ...caught }) => {
      const ours = messageId !== null && (await isMessage(messageId).catch(() => false));
      const kept: Catch = { id: randomUUID(), at: new Date(), messageId: ours ? messageId : null, ...caught };
      newestFirst.unshift(kept);
      newestFirst.splice(mostCatches);
      onCatch?.(kept);
    },
    list: () => newestFirst,
    forMessage: (messageId) => newestFirst.filter((caught) => caught.messageId === messageId).toReversed(),
  };
}

/** Of a text like `<id@host>` or a header: the message's id, if it looks like one of ours. */
export function messageIdIn(text: string | undefined): string | null {
  return /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(text ?? '')?.[0].toLowerCase() ?? null;
}
