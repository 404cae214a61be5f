/**
 * The last look before a message is sent: the application's guards. Messages that need it are asked about together
 * while their attempts are open, so that their leases are renewed and no lock is held. What may not go is withdrawn:
 * nothing was dispatched, so no attempt is recorded.
 */
import { type Batcher, createBatcher } from '../../batcher.ts';
import { askGuard } from '../../guard/ask.ts';
import type { Attempt } from '../attempt.ts';
import type { Guards, GuardServices } from '../services.ts';
import { askAboutRecipients } from './recipients.ts';
import { unanswered } from './unanswered.ts';
import { withdraw, type Withdrawal } from './withdraw.ts';

interface Item {
  readonly attempt: Attempt;
  withdrawn: boolean;
}

/** Messages in one question. */
const maxBatch = 500;
/** Functions that are asked at the same time, so that those that do not answer leave connections to deliver with. */
const maxConcurrent = 2;

/** What a function says against messages: those that may go are left out. */
type Ask = (attempts: readonly Attempt[]) => Promise<readonly Withdrawal[]>;

/** Creates the guards of one method. Asks nothing before a message needs it. */
export function createGuards(services: GuardServices): Guards {
  const { recipientGuard } = services;
  const batchers = new Map<string, Batcher<Item>>();
  const limit = createLimit(maxConcurrent);

  async function stop(items: readonly Item[], ask: Ask): Promise<void> {
    const stopped = await limit(() => ask(items.map(({ attempt }) => attempt)));
    if (stopped.length === 0) return;
    const ids = new Set(stopped.map(({ attempt }) => attempt.job.id));
    for (const item of items) item.withdrawn = ids.has(item.attempt.job.id);
    for (const { attempt } of stopped) attempt.dispatched(notDispatched);
    await withdraw(stopped, services);
  }

  async function passes(attempt: Attempt, name: string, ask: Ask): Promise<boolean> {
    const batcher =
      batchers.get(name) ?? createBatcher<Item>({ write: (items) => stop(items, ask), maxItems: maxBatch });
    batchers.set(name, batcher);
    const item: Item = { attempt, withdrawn: false };
    await batcher.add([item]);
    return !item.withdrawn;
  }

  const asksRecipient = ({ recipientGuard: asks }: Attempt['message']) => asks && recipientGuard !== null;

  return {
    concern: (message) => message.guard !== null || asksRecipient(message),
    async mayGo(attempt) {
      const { guard } = attempt.message;
      if (recipientGuard !== null && asksRecipient(attempt.message)) {
        const ask: Ask = (attempts) => askAboutRecipients(recipientGuard, attempts, services);
        if (!(await passes(attempt, `recipients ${recipientGuard}`, ask))) return false;
      }
      return guard === null || passes(attempt, guard, (attempts) => askTemplateGuard(guard, attempts, services));
    },
  };
}

/** What the slot is told: nothing was sent, and nobody is at fault. */
const notDispatched = { outcome: 'retry', reason: 'guard', detail: '', countAttempt: false } as const;

async function askTemplateGuard(
  name: string,
  attempts: readonly Attempt[],
  services: GuardServices,
): Promise<readonly Withdrawal[]> {
  const ids = attempts.map(({ job }) => job.id);
  const { answers, failed } = await askGuard(services.database.pool, name, ids);
  const refused = new Map(answers.map(({ id, detail }) => [id, detail]));
  return [
    ...attempts.flatMap((attempt) => {
      const detail = refused.get(attempt.job.id);
      return detail === undefined ? [] : [{ attempt, reason: 'guard' as const, detail }];
    }),
    ...unanswered(name, attempts, failed, services),
  ];
}

/** Runs at most `most` pieces of work at the same time; the others wait for their turn. */
function createLimit(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
}
