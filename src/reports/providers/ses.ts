/** Bounces and complaints of Amazon SES, through SNS. */
import { ConfigurationError } from '../../errors.ts';
import { type Claim, claimOf, enhancedIn, enhancedInReply, formsOf, hostIn, messageIn } from '../claim.ts';
import { typed } from '../fields.ts';
import type { ReportFacts } from '../policy.ts';
import { at, listAt, parseJson, type Provider, type Returns, textAt } from '../provider.ts';
import { createSnsReader, isTopicArn, type SnsNetwork } from './sns.ts';

/** Options for Amazon SES. */
export interface SesOptions {
  /** ARNs of the SNS topics that SES publishes to. Messages of any other topic are refused. */
  readonly topicArns: readonly string[];
}

/** @throws {ConfigurationError} if an ARN is not one of a topic. */
export function ses({ topicArns }: SesOptions, returns: Returns, network: SnsNetwork): Provider {
  if (topicArns.length === 0 || !topicArns.every(isTopicArn))
    throw new ConfigurationError(
      'reports.ses.topicArns',
      'must be ARNs of SNS topics, for example arn:aws:sns:eu-west-1:123456789012:bounces',
    );
  const sns = createSnsReader(topicArns, network);
  return {
    name: 'ses',
    async read(request) {
      const message = await sns.read(request);
      if ('refused' in message) return message;
      return message.type === 'Notification' ? claimsOf(parseJson(message.message), message.id, returns) : [];
    },
  };
}

function claimsOf(event: unknown, snsId: string, returns: Returns): Claim[] {
  const type = textAt(event, 'notificationType') || textAt(event, 'eventType');
  if (type === 'Bounce') {
    const id = textAt(event, 'bounce', 'feedbackId') || snsId;
    return listAt(event, 'bounce', 'bouncedRecipients').map((recipient, index) =>
      claimOf({
        ...messageOf(event, returns),
        ...bounceFacts(event, recipient),
        source: 'ses',
        sourceId: `${id}:${index + 1}`,
        addresses: formsOf(at(recipient, 'emailAddress')),
        said: typed(textAt(recipient, 'diagnosticCode'))?.value ?? null,
        reporter: hostIn(typed(textAt(event, 'bounce', 'reportingMTA'))?.value),
      }),
    );
  }
  if (type !== 'Complaint' || textAt(event, 'complaint', 'complaintFeedbackType') === 'not-spam') return [];
  // SES did not try, because of an earlier complaint.
  if (/suppress/i.test(textAt(event, 'complaint', 'complaintSubType'))) return [];
  const id = textAt(event, 'complaint', 'feedbackId') || snsId;
  return listAt(event, 'complaint', 'complainedRecipients').map((recipient, index) =>
    claimOf({
      ...messageOf(event, returns),
      kind: 'complaint',
      source: 'ses',
      sourceId: `${id}:${index + 1}`,
      addresses: formsOf(at(recipient, 'emailAddress')),
    }),
  );
}

/** SES replaces the Message-ID: the envelope address has a token, or the header is included, or SES's id is known. */
function messageOf(event: unknown, returns: Returns): Pick<Claim, 'messageId' | 'receiverId'> {
  const header = listAt(event, 'mail', 'headers').find((one) => /^message-id$/i.test(textAt(one, 'name')));
  return {
    messageId: returns?.messageIn(textAt(event, 'mail', 'source')) ?? messageIn(at(header, 'value')),
    receiverId: textAt(event, 'mail', 'messageId') || null,
  };
}

/** What SES says where it has no code of a server. */
const codes: ReadonlyMap<string, string> = new Map([
  ['NoEmail', '5.1.1'],
  ['MailboxFull', '4.2.2'],
  ['MessageTooLarge', '5.3.4'],
  ['ContentRejected', '5.6.0'],
  ['AttachmentRejected', '5.6.0'],
]);

function bounceFacts(event: unknown, recipient: unknown): ReportFacts {
  const type = textAt(event, 'bounce', 'bounceType');
  const subType = textAt(event, 'bounce', 'bounceSubType');
  // SES did not try: an earlier bounce or complaint is no evidence twice.
  if (/suppress/i.test(subType)) return { kind: 'bounce', action: 'failed', enhanced: null };
  const code =
    enhancedIn(at(recipient, 'status')) ??
    enhancedInReply(typed(textAt(recipient, 'diagnosticCode'))?.value) ??
    codes.get(subType) ??
    (type === 'Transient' ? '4.0.0' : null);
  return { kind: 'bounce', action: 'failed', enhanced: code };
}
