/** A complaint in the Abuse Reporting Format (RFC 5965) as claims: at most one. Pure. */
import { type Claim, claimOf, formsOf, hostIn, type ReportPart } from './claim.ts';
import { field, fieldGroups, typed } from './fields.ts';

/** RFC 5965, section 7.3. Other types, such as `not-spam` and `auth-failure`, are no complaint. */
const kinds: ReadonlyMap<string, 'complaint' | 'unsubscribe'> = new Map([
  ['abuse', 'complaint'],
  ['opt-out', 'unsubscribe'],
  ['opt-out-list', 'unsubscribe'],
]);

/** The claim of a `message/feedback-report`. */
export function feedbackClaims({ text, messageId, source, sourceId, returned }: ReportPart): Claim[] {
  const [fields] = fieldGroups(text);
  if (fields === undefined) return [];
  const kind = kinds.get(field(fields, 'feedback-type')?.toLowerCase() ?? '');
  // Providers that leave out the recipient's field leave the address where the message was written to.
  const named = [
    ...(fields.get('original-rcpt-to') ?? []),
    ...(fields.get('removal-recipient') ?? []),
    ...(returned.get('x-hmxmroriginalrecipient') ?? []),
    ...(returned.get('to') ?? []),
  ];
  const claim = claimOf({
    source,
    sourceId: `${sourceId}:1`,
    messageId,
    addresses: named.slice(0, 10).flatMap((value) => formsOf(addressOf(value))),
    kind: kind ?? 'other',
    unmatched: kind === undefined ? 'no_return' : null,
    reporter: hostIn(typed(field(fields, 'reporting-mta'))?.value),
  });
  return [claim];
}

/** The address of `Ada <ada@example.com>`, of `rfc822; ada@example.com`, or of the bare address. */
function addressOf(value: string): string {
  const angled = /<([^<>]+)>/.exec(value.slice(0, 1000))?.[1];
  return angled ?? typed(value)?.value ?? value;
}
