/** What the application's recipient guard says about the recipients of messages: nothing, stop, or another address. */
import { askRecipients, type RecipientNow } from '../../guard/ask.ts';
import type { Reason, Recipient } from '../../vocabulary.ts';
import type { Attempt } from '../attempt.ts';
import type { GuardServices } from '../services.ts';
import { unanswered } from './unanswered.ts';
import type { Withdrawal } from './withdraw.ts';

interface Changed {
  readonly id: string;
  readonly recipient: Recipient;
  readonly reason: Extract<Reason, 'suppressed' | 'invalid_address'> | null;
}

const readdressStatement = {
  name: 'herald.readdress',
  text: 'SELECT message_id AS id, recipient, reason FROM herald.readdress($1::jsonb)',
};

/** Returns what must not be sent. The other messages have the recipient of now. */
export async function askAboutRecipients(
  name: string,
  attempts: readonly Attempt[],
  services: GuardServices,
): Promise<readonly Withdrawal[]> {
  const byId = new Map(attempts.map((attempt) => [attempt.job.id, attempt]));
  const { answers, failed } = await askRecipients(services.database.pool, name, [...byId.keys()]);
  const stopped = unanswered(name, attempts, failed, services);
  const refused = answers.flatMap(({ id, reason }) => {
    const attempt = byId.get(id);
    return reason === null || attempt === undefined ? [] : [{ attempt, reason: 'guard' as const, detail: reason }];
  });
  const changed = answers.filter(({ reason }) => reason === null);
  return [...stopped, ...refused, ...(await readdress(name, changed, byId, services))];
}

/** Writes the recipients of now to their messages, and returns those to which nothing may be sent. */
async function readdress(
  name: string,
  changed: readonly RecipientNow[],
  byId: ReadonlyMap<string, Attempt>,
  services: GuardServices,
): Promise<readonly Withdrawal[]> {
  if (changed.length === 0) return [];
  const attempts = changed.flatMap(({ id }) => byId.get(id) ?? []);
  const changes = changed.map((each) => ({ ...each, token: byId.get(each.id)?.token }));
  try {
    const rows = await services.database.run<Changed>(readdressStatement, [JSON.stringify(changes)]);
    const written = new Set(rows.map(({ id }) => id));
    const lost = attempts.filter(({ job }) => !written.has(job.id));
    const leaseless = new Map(lost.map(({ job }) => [job.id, 'the lease was lost while the guard was asked']));
    const refused = rows.flatMap(({ id, recipient, reason }) => {
      const attempt = byId.get(id);
      if (attempt === undefined) return [];
      attempt.message.recipient = recipient;
      return reason === null ? [] : [{ attempt, reason, detail: `by what ${name} returned` }];
    });
    return [...refused, ...unanswered(name, lost, leaseless, services)];
  } catch (error) {
    services.errors.report(error, 'cannot write the recipients of now', { method: services.method });
    const failed = new Map(attempts.map(({ job }) => [job.id, 'the recipient could not be written']));
    return unanswered(name, attempts, failed, services);
  }
}
