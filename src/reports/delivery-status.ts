/** A delivery status notification (RFC 3464) as claims: one for each recipient that it names. Pure. */
import { type Claim, claimOf, enhancedIn, enhancedInReply, formsOf, hostIn, type ReportPart } from './claim.ts';
import { addressesIn, field, type Fields, fieldGroups, typed } from './fields.ts';
import type { ReportFacts } from './policy.ts';

const actions = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const;

/** The claims of a `message/delivery-status`. Empty if it names no recipient. */
export function deliveryStatusClaims({ text, messageId, source, sourceId }: ReportPart): Claim[] {
  const groups = fieldGroups(text);
  // Some servers leave out the blank line before the first recipient.
  const recipients = groups.filter((group) => group.has('final-recipient') || group.has('original-recipient'));
  const reporting = hostIn(typed(field(groups[0], 'reporting-mta'))?.value);
  return recipients.map((group, index) =>
    claimOf({
      source,
      sourceId: `${sourceId}:${index + 1}`,
      messageId,
      addresses: [...(group.get('original-recipient') ?? []), ...(group.get('final-recipient') ?? [])]
        .slice(0, 10)
        .flatMap(addressesIn)
        .flatMap(formsOf),
      ...factsOf(group),
      said: saidBy(group),
      reporter: hostIn(typed(field(group, 'remote-mta'))?.value) ?? reporting,
    }),
  );
}

function factsOf(group: Fields): ReportFacts & Pick<Claim, 'unmatched'> {
  const word = /^[a-z]+/i.exec(field(group, 'action') ?? '')?.[0].toLowerCase();
  const action = actions.find((one) => one === word) ?? null;
  const enhanced = statusOf(group);
  if (action === 'failed') return { kind: 'bounce', action, enhanced, unmatched: null };
  if (action === 'delayed') return { kind: 'delay', action, enhanced, unmatched: null };
  return { kind: 'other', action, enhanced, unmatched: 'no_return' };
}

/** Servers that only say "failed" in the status quote the code of the server that refused the message. */
function statusOf(group: Fields): string | null {
  const status = enhancedIn(field(group, 'status'));
  if (status !== null && !status.endsWith('.0.0')) return status;
  const quoted = enhancedInReply(saidBy(group));
  return quoted !== null && (status === null || quoted[0] === status[0]) ? quoted : status;
}

function saidBy(group: Fields): string | null {
  return typed(field(group, 'diagnostic-code'))?.value ?? null;
}
