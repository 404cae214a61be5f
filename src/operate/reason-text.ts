import type { StepCondition } from '../templates/steps.ts';
import type { Reason } from '../vocabulary.ts';

const meanings: ReadonlyMap<string, string> = new Map(
  Object.entries({
    worker_lost: 'its worker stopped before it could record the outcome',
    no_address: 'the recipient has no address for this method',
    invalid_address: 'the address is not valid',
    preference: 'the recipient does not want it',
    default_off: 'the template is off unless a recipient asks for it',
    suppressed: 'the address is suppressed',
    template_disabled: 'the template is disabled',
    method_disabled: 'the method is disabled',
    endpoint_disabled: 'the endpoint is disabled',
    not_subscribed: 'no endpoint selects it',
    guard: "the template's guard refused it",
    guard_failed: "the template's guard did not answer",
    seen: 'the recipient has seen the notification',
    read: 'the recipient has read the notification',
    acknowledged: 'the recipient has acknowledged the notification',
    subject_deleted: 'what it was about was deleted',
    no_dispatcher: 'the worker has no dispatcher for this method',
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

/** What a step waits for, in words. */
export function conditionText(condition: StepCondition): string {
  return `the recipient has ${condition} the notification by then`;
}
