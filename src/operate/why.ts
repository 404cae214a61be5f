/** What happened to a message, as a list of events in words, and what to do about it. Pure. */
import type { Reason } from '../vocabulary.ts';
import type { AttemptRecord, MessageDetails } from './messages.ts';

/** One thing that happened to a message. */
export interface TimelineEvent {
  readonly at: Date;
  readonly what: string;
}

/** What `pg-herald why` shows. */
export interface Explanation {
  /** The state of the message and its reason, in one or two sentences. */
  readonly summary: string;
  /** What an operator can do; null if nothing needs to be done. */
  readonly remedy: string | null;
  /** Oldest first. */
  readonly timeline: readonly TimelineEvent[];
}

/** Explains a message. `now` decides what is overdue. */
export function explain(message: MessageDetails, now: Date): Explanation {
  return { summary: summaryOf(message, now), remedy: remedyOf(message), timeline: timelineOf(message) };
}

function summaryOf(message: MessageDetails, now: Date): string {
  const { status, reason, detail, attempts } = message;
  const because = reason === null ? '' : `: ${meaningOf(reason)}${detail ? ` (${detail})` : ''}`;
  switch (status) {
    case 'sent':
      return (
        `Sent: the receiving side accepted it${attempts > 1 ? ` at attempt ${attempts}` : ''}. ` +
        'It is not known whether anyone read it.'
      );
    case 'failed':
      return `Failed after ${attemptCount(attempts)}${because}.`;
    case 'inhibited':
      return `Nothing was sent${because}.`;
    case 'cancelled':
      return 'Cancelled by the application before it was sent.';
    case 'expired': {
      const limit = message.expiresAt?.toISOString() ?? 'its expiry';
      return `Expired: it was not to be sent after ${limit}${reason && reason !== 'expired' ? because : ''}.`;
    }
    case 'held':
      return reason === null ? 'Held by an operator.' : `Held: it is unknown whether it was accepted${because}.`;
    case 'sending': {
      const since = message.attemptStartedAt?.toISOString() ?? '?';
      return `Being sent: worker ${message.leasedBy ?? '?'} started attempt ${attempts} at ${since}.`;
    }
    case 'pending':
      return pendingSummary(message, now);
    default:
      return status satisfies never;
  }
}

function attemptCount(attempts: number): string {
  return `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
}

function pendingSummary(message: MessageDetails, now: Date): string {
  const { paused, nextAttemptAt, attempts, reason, method } = message;
  const tried =
    attempts === 0
      ? 'Not tried yet'
      : `Waiting after ${attemptCount(attempts)}${reason ? ` (${meaningOf(reason)})` : ''}`;
  if (paused !== null) {
    const by = paused.kind === 'fault' ? 'after a fault' : 'by an operator';
    const cause = [by, paused.reason, paused.detail].filter(Boolean).join(', ');
    return `${tried}: the method ${method} is paused since ${paused.since.toISOString()} (${cause}).`;
  }
  const due = nextAttemptAt?.toISOString() ?? '?';
  if (nextAttemptAt !== null && nextAttemptAt > now) return `${tried}: due at ${due}.`;
  if (message.workers === 0) return `${tried}: due since ${due}, but no worker is connected to this database.`;
  const next =
    message.job === null
      ? 'It has no job; a worker creates a new one within minutes.'
      : 'A worker takes it as soon as one is free.';
  return `${tried}: due since ${due}. ${next}`;
}

function timelineOf(message: MessageDetails): TimelineEvent[] {
  const { createdAt, sendAt, settledAt, status, reason, attempts, leasedBy, attemptStartedAt, nextAttemptAt } = message;
  const { createdBy, recipientId, template, version, method } = message;
  const enqueued = `enqueued by ${createdBy} for ${recipientId}, template ${template} version ${version}, by ${method}`;
  const events: TimelineEvent[] = [
    { at: createdAt, what: enqueued },
    ...(sendAt ? [{ at: sendAt, what: 'may be sent from now on' }] : []),
    ...message.attemptRecords.map((attempt) => ({ at: attempt.startedAt, what: attemptText(attempt) })),
    ...(status === 'sending' && attemptStartedAt
      ? [{ at: attemptStartedAt, what: `attempt ${attempts} by ${leasedBy ?? '?'}: in flight` }]
      : []),
    ...(settledAt ? [{ at: settledAt, what: `${status}${reason ? `: ${meaningOf(reason)}` : ''}` }] : []),
    ...(nextAttemptAt ? [{ at: nextAttemptAt, what: 'next attempt' }] : []),
  ];
  return events.sort((a, b) => a.at.getTime() - b.at.getTime());
}

function attemptText(attempt: AttemptRecord): string {
  const { number, worker, outcome, startedAt, finishedAt, reason, detail, receiverId, counted } = attempt;
  const milliseconds = finishedAt.getTime() - startedAt.getTime();
  const took = milliseconds < 10_000 ? `${milliseconds} ms` : `${Math.round(milliseconds / 1000)} s`;
  const reply = attempt.replyText ?? attempt.replyCode;
  return [
    `attempt ${number} by ${worker}: ${outcome} after ${took}`,
    ...(reason ? [meaningOf(reason)] : []),
    ...(reply ? [`reply "${reply}"`] : []),
    ...(detail && detail !== reply ? [detail] : []),
    ...(receiverId ? [`receiver's id ${receiverId}`] : []),
    ...(counted ? [] : ['not counted']),
  ].join('; ');
}

function remedyOf(message: MessageDetails): string | null {
  const { status, reason, method, id, paused } = message;
  const again = `pg-herald retry ${id}`;
  if (paused?.kind === 'operator') return `pg-herald resume ${method}`;
  if (paused?.kind === 'fault')
    return (
      'Fix the cause of the pause. pg-herald probes it and resumes automatically; "pg-herald resume" ' +
      'resumes at once.'
    );
  if (status === 'pending' && message.workers === 0)
    return 'Start a worker: "pg-herald worker", or createWorker in your application.';
  if (status === 'held') return `Ask the recipient. Send it (again) with: ${again}`;
  if (status === 'failed' && reason === 'render_failed')
    return 'Fix the template and enqueue again: a message keeps the version it was enqueued with.';
  if (status === 'failed') return `When the cause is fixed: ${again}`;
  if (status === 'expired') return `If it still matters: ${again}`;
  if (status === 'inhibited') return inhibitedRemedy(message);
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
      return `When the cause is fixed: pg-herald retry ${id}`;
  }
}

const meanings: ReadonlyMap<string, string> = new Map(
  Object.entries({
    worker_lost: 'its worker stopped before it could record the outcome',
    no_address: 'the recipient has no address for this method',
    preference: 'the recipient does not want it',
    default_off: 'the template is off unless a recipient asks for it',
    suppressed: 'the address is suppressed',
    template_disabled: 'the template is disabled',
    method_disabled: 'the method is disabled',
    no_such_recipient: 'there is no such mailbox',
    no_reply: 'the receiver did not reply',
    connection_lost: 'the connection was lost',
    render_failed: 'it could not be rendered',
    attempts_spent: 'all attempts were used',
    restored: 'the database was restored to an earlier moment, and it may have been sent after that',
  } satisfies Partial<Record<Reason, string>>),
);

/** A reason in words. */
export function meaningOf(reason: Reason): string {
  return meanings.get(reason) ?? reason.replaceAll('_', ' ');
}
