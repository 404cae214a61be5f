/** What happened to a message, as a list of events in words, and what to do about it. Pure. */
import type { AuditRecord } from './audit.ts';
import type { AttemptRecord } from './attempt-records.ts';
import type { MessageDetails } from './messages.ts';
import { conditionText, meaningOf } from './reason-text.ts';
import { itemEvents } from './item-state.ts';
import { type OperatorActions, remedyOf } from './remedy.ts';
import { type MessageReport, reportText } from './returns.ts';
import { summaryOf } from './state-text.ts';
import type { StepLine } from './steps.ts';

/** One thing that happened to a message. */
export interface TimelineEvent {
  /** When it happened. */
  readonly at: Date;
  /** What happened, in a few words. */
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

/** Explains a message. `now` decides what is overdue. The remedy names commands, unless other actions are given. */
export function explain(message: MessageDetails, now: Date, actions?: OperatorActions): Explanation {
  return { summary: summaryOf(message, now), remedy: remedyOf(message, actions), timeline: timelineOf(message, now) };
}

function actionText({ action, actor, why, detail }: AuditRecord): string {
  return `${action} by ${actor}${why ? ` (${why})` : ''}${detail?.count === 0 ? ': nothing changed' : ''}`;
}

function timelineOf(message: MessageDetails, now: Date): TimelineEvent[] {
  const { createdAt, sendAt, settledAt, status, reason, attempts, leasedBy, attemptStartedAt, nextAttemptAt } = message;
  const { createdBy, recipientId, template, version, method } = message;
  const enqueued = `enqueued by ${createdBy} for ${recipientId}, template ${template} version ${version}, by ${method}`;
  const asStep = message.step === null ? '' : `, as step ${message.step}`;
  const settledReason = reason !== null && reason !== status ? `: ${meaningOf(reason)}` : '';
  const events: TimelineEvent[] = [
    { at: createdAt, what: enqueued + asStep },
    // A message that was settled before that time was never allowed to be sent.
    ...(sendAt && sendAt <= (settledAt ?? now) ? [{ at: sendAt, what: 'may be sent from now on' }] : []),
    ...message.attemptRecords.map((attempt) => ({ at: attempt.startedAt, what: attemptText(attempt) })),
    ...message.putBacks.map(({ at, sender }) => ({ at, what: `put back: the sender ${sender} was at fault` })),
    ...message.reports.map((report) => ({ at: report.at, what: returnText(report, settledAt) })),
    ...message.operatorActions.map((action) => ({ at: action.at, what: actionText(action) })),
    ...(status === 'sending' && attemptStartedAt
      ? [{ at: attemptStartedAt, what: `attempt ${attempts} by ${leasedBy ?? '?'}: in flight` }]
      : []),
    ...stepEvents(message),
    ...itemEvents(message.item),
    ...(settledAt ? [{ at: settledAt, what: `${status}${settledReason}` }] : []),
    ...(nextAttemptAt ? [{ at: nextAttemptAt, what: 'due' }] : []),
  ];
  // A time of the database may be infinite, which is not a Date.
  return events.filter(({ at }) => at instanceof Date).sort((a, b) => a.at.getTime() - b.at.getTime());
}

function returnText(report: MessageReport, settledAt: Date | null): string {
  const { replyText } = report;
  return `${reportText(report, settledAt)}${replyText === null ? '' : `; reply "${replyText}"`}`;
}

/** What happens, or happened, to the other steps of the notification. */
function stepEvents({ id, steps, acknowledgedAt }: MessageDetails): TimelineEvent[] {
  const events = steps
    .filter((step) => step.id !== id)
    .map((step) => ({ at: step.settledAt ?? step.sendAt, what: stepText(step) }));
  return acknowledgedAt ? [...events, { at: acknowledgedAt, what: 'acknowledged by the recipient' }] : events;
}

function stepText({ step, method, status, reason, unless }: StepLine): string {
  const name = `step ${step} by ${method}`;
  if (status !== 'pending') {
    const why = reason !== null && reason !== status ? `: ${meaningOf(reason)}` : '';
    return `${name}: ${status}${why}`;
  }
  return unless === null ? `${name} is due` : `${name} is due, unless ${conditionText(unless)}`;
}

function attemptText(attempt: AttemptRecord): string {
  const { number, worker, outcome, startedAt, finishedAt, reason, detail, receiverId, counted } = attempt;
  // The clock of the database can go back.
  const milliseconds = Math.max(finishedAt.getTime() - startedAt.getTime(), 0);
  const took = milliseconds < 10_000 ? `${milliseconds} ms` : `${Math.round(milliseconds / 1000)} s`;
  const reply = attempt.replyText ?? attempt.replyCode;
  return [
    `attempt ${number} by ${worker}: ${outcome} after ${took}`,
    ...(reason ? [meaningOf(reason)] : []),
    ...(reply ? [`reply "${reply}"`] : []),
    ...(detail && !reply?.includes(detail) ? [detail] : []),
    ...(receiverId ? [`receiver's id ${receiverId}`] : []),
    ...(counted ? [] : ['not counted']),
  ].join('; ');
}
