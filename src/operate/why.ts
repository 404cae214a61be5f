/** What happened to a message, as a list of events in words, with what to do about it. Pure. */
import type { Reason } from '../vocabulary.ts';
import type { AttemptRecord, MessageDetails } from './messages.ts';

export interface TimelineEvent {
  readonly at: Date;
  readonly what: string;
}

export interface Explanation {
  /** One sentence: where the message stands. */
  readonly verdict: string;
  /** What somebody can do, or null if nothing needs to be done. */
  readonly remedy: string | null;
  readonly timeline: readonly TimelineEvent[];
}

/** Tells the story of a message. `now` decides what is past. */
export function explain(message: MessageDetails, now: Date): Explanation {
  return { verdict: verdictOf(message, now), remedy: remedyOf(message), timeline: timelineOf(message) };
}

function verdictOf(message: MessageDetails, now: Date): string {
  const { status, reason, detail, attempts } = message;
  const because = reason === null ? '' : `: ${meaningOf(reason)}${detail ? ` (${detail})` : ''}`;
  switch (status) {
    case 'sent':
      return `Sent: the receiving side accepted it${attempts > 1 ? ` at attempt ${attempts}` : ''}. Whether anybody read it is not known.`;
    case 'failed':
      return `Failed after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}${because}.`;
    case 'inhibited':
      return `Nothing was sent${because}.`;
    case 'cancelled':
      return 'Cancelled by the application before it was sent.';
    case 'expired':
      return `Expired: it was not to be sent after ${message.expiresAt?.toISOString() ?? 'its time'}${reason && reason !== 'expired' ? because : ''}.`;
    case 'held':
      return reason === null ? 'Held by an operator.' : `Held: nobody knows whether it was accepted${because}.`;
    case 'sending':
      return `On its way: worker ${message.leasedBy ?? '?'} has been at attempt ${attempts} since ${message.attemptStartedAt?.toISOString() ?? '?'}.`;
    case 'pending':
      return pendingVerdict(message, now);
    default:
      return status satisfies never;
  }
}

function pendingVerdict(message: MessageDetails, now: Date): string {
  const { paused, nextAttemptAt, attempts, reason } = message;
  const tried =
    attempts === 0
      ? 'Not tried yet'
      : `Waiting after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}${reason ? ` (${meaningOf(reason)})` : ''}`;
  if (paused !== null)
    return `${tried}: the method ${message.method} is paused since ${paused.since.toISOString()} (${[paused.kind === 'fault' ? 'at fault itself' : 'by an operator', paused.reason, paused.detail].filter(Boolean).join(', ')}).`;
  if (nextAttemptAt !== null && nextAttemptAt > now) return `${tried}: due at ${nextAttemptAt.toISOString()}.`;
  if (message.workers === 0)
    return `${tried}: due since ${nextAttemptAt?.toISOString() ?? '?'}, but no worker is connected to this database.`;
  return `${tried}: due since ${nextAttemptAt?.toISOString() ?? '?'}. ${message.job === null ? 'It has no job; a worker gives it a new one within minutes.' : 'A worker takes it as soon as one is free.'}`;
}

function timelineOf(message: MessageDetails): TimelineEvent[] {
  const { createdAt, sendAt, settledAt, status } = message;
  const events: TimelineEvent[] = [
    {
      at: createdAt,
      what: `enqueued by ${message.createdBy} for ${message.recipientId}, template ${message.template} version ${message.version}, by ${message.method}`,
    },
    ...(sendAt ? [{ at: sendAt, what: 'may be sent from now on' }] : []),
    ...message.attemptRecords.map((attempt) => ({ at: attempt.startedAt, what: attemptWords(attempt) })),
    ...(status === 'sending' && message.attemptStartedAt
      ? [{ at: message.attemptStartedAt, what: `attempt ${message.attempts} by ${message.leasedBy ?? '?'}: under way` }]
      : []),
    ...(settledAt
      ? [{ at: settledAt, what: `${status}${message.reason ? `: ${meaningOf(message.reason)}` : ''}` }]
      : []),
    ...(message.nextAttemptAt ? [{ at: message.nextAttemptAt, what: 'next attempt' }] : []),
  ];
  return events.sort((a, b) => a.at.getTime() - b.at.getTime());
}

function attemptWords(attempt: AttemptRecord): string {
  const took = attempt.finishedAt.getTime() - attempt.startedAt.getTime();
  const reply = attempt.replyText ?? attempt.replyCode;
  return [
    `attempt ${attempt.number} by ${attempt.worker}: ${attempt.outcome} after ${took < 10_000 ? `${took} ms` : `${Math.round(took / 1000)} s`}`,
    ...(attempt.reason ? [meaningOf(attempt.reason)] : []),
    ...(reply ? [`reply "${reply}"`] : []),
    ...(attempt.detail && attempt.detail !== reply ? [attempt.detail] : []),
    ...(attempt.receiverId ? [`receiver's id ${attempt.receiverId}`] : []),
    ...(attempt.counted ? [] : ['not counted']),
  ].join('; ');
}

function remedyOf(message: MessageDetails): string | null {
  const again = `pg-herald retry ${message.id}`;
  if (message.paused?.kind === 'operator') return `pg-herald resume ${message.method}`;
  if (message.paused?.kind === 'fault')
    return 'Mend what the pause names; it is probed and resumes by itself, or at once with "pg-herald resume".';
  if (message.status === 'pending' && message.workers === 0)
    return 'Start a worker: "pg-herald worker", or createWorker in your application.';
  if (message.status === 'held') return `Ask the recipient. Send it (again) with: ${again}`;
  if (message.status === 'failed' && message.reason === 'render_failed')
    return 'Mend the template and enqueue again: a message keeps the version it was enqueued with.';
  if (message.status === 'failed') return `When the cause is mended: ${again}`;
  if (message.status === 'expired') return `If it still matters: ${again}`;
  if (message.status === 'inhibited') return inhibitedRemedy(message);
  return null;
}

function inhibitedRemedy({ reason, recipientId, template, method, id }: MessageDetails): string {
  switch (reason) {
    case 'preference':
    case 'default_off':
      return `pg-herald preferences set ${recipientId} --template ${template} --on, then pg-herald retry ${id}`;
    case 'suppressed':
      return `pg-herald suppressions remove ${method} ADDRESS, if the address works again, then pg-herald retry ${id}`;
    case 'no_address':
      return `Give the recipient what ${method} needs and enqueue again.`;
    default:
      return `When the cause is mended: pg-herald retry ${id}`;
  }
}

const meanings: Partial<Record<Reason, string>> = {
  worker_lost: 'its worker stopped before it could record the outcome',
  no_address: 'the recipient has no address for this method',
  preference: 'the recipient does not want it',
  default_off: 'the template is off unless a recipient asks for it',
  suppressed: 'the address is suppressed',
  template_disabled: 'the template is disabled',
  method_disabled: 'the method is disabled',
  no_such_recipient: 'there is no such mailbox',
  no_reply: 'the receiver did not answer',
  connection_lost: 'the connection was lost',
  render_failed: 'it could not be rendered',
  attempts_spent: 'all attempts are spent',
  restored: 'the database was restored to an earlier moment after which it may have gone out',
};

/** A reason in words. */
export function meaningOf(reason: Reason): string {
  return meanings[reason] ?? reason.replaceAll('_', ' ');
}
