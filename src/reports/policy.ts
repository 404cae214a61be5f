/** What a report means for the address and the person. One pure table; words of a reply decide nothing. */

/** The kind of a report. `other`: nothing that counts. */
export type ReportKind = 'bounce' | 'delay' | 'complaint' | 'unsubscribe' | 'other';

/**
 * What a report means:
 * - `dead`: there is no such mailbox; the second message that meets this a day later suppresses the address
 * - `soft`: the mailbox takes nothing at present; three messages in 14 days suppress it for 14 days
 * - `ours`: the sender, its reputation or the message is refused; the address is not at fault
 * - `complaint`: the person reported spam; the group is turned off, and the address suppressed
 * - `unsubscribe`: the group is turned off
 * - `none`: only recorded
 */
export type ReportEffect = 'dead' | 'soft' | 'ours' | 'complaint' | 'unsubscribe' | 'none';

/** What a report says, without words. */
export interface ReportFacts {
  /** What kind of report it is. */
  readonly kind: ReportKind;
  /** RFC 3464, section 2.3.3; null: the report has none. */
  readonly action: 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded' | null;
  /** RFC 3463 code, for example `5.1.1`; null: the report has none. */
  readonly enhanced: string | null;
}

/** By the last two numbers of the code. The first match decides. */
const permanent: readonly (readonly [code: RegExp, effect: ReportEffect])[] = [
  // No such mailbox, moved, null MX, disabled (RFC 3463 sections 3.2 and 3.3, RFC 7505).
  [/^(1\.1|1\.6|1\.10|2\.1)$/, 'dead'],
  // Mailbox full; the domain cannot be reached, which may be a passing fault of its name servers.
  [/^(2\.2|1\.0|1\.2|4\.\d+)$/, 'soft'],
  // The message is too large or of a wrong form, the sender is refused, the protocol was broken.
  [/^(1\.[78]|2\.3|3\.\d+|5\.\d+|6\.\d+|7\.\d+)$/, 'ours'],
];

/** The policy. Unknown codes count for nothing. */
export function policyOf({ kind, action, enhanced }: ReportFacts): ReportEffect {
  if (kind === 'complaint' || kind === 'unsubscribe') return kind;
  if (kind !== 'bounce' || action !== 'failed' || enhanced === null) return 'none';
  const [, digit = '', rest = ''] = /^([245])\.(\d{1,3}\.\d{1,3})$/.exec(enhanced) ?? [];
  // A server that gave up after days of "not now" says so with the class 4. Policies are about the sender there, too.
  if (digit === '4') return /^(1\.[78]|2\.3|3\.4|5\.\d+|6\.\d+|7\.\d+)$/.test(rest) ? 'ours' : 'soft';
  if (digit !== '5') return 'none';
  return permanent.find(([code]) => code.test(rest))?.[1] ?? 'none';
}
