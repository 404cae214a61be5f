/**
 * Who is at fault for a refusal: the message, or the sender that every message goes through. Decided by evidence, never
 * by the words of one reply. Pure.
 *
 * - Before a recipient was named it is the sender.
 * - After that it is the message, unless three messages to different recipients get the same reply and none is accepted
 *   in between.
 * - One message is evidence once. If it is refused again although others were accepted since, it is at fault itself.
 */
import { type ComparableReply, isSameReply } from './normalise-reply.ts';

/** What two refusals must share to have the same cause. */
export interface RefusedReply extends ComparableReply {
  /** The command that was refused. */
  readonly phase: string;
}

/** A refusal that the store keeps. */
export interface Refusal {
  readonly messageId: string;
  /** Stands for the recipient, in a form that tells nothing about the person. */
  readonly recipient: string;
  readonly reply: RefusedReply;
  /** This message was refused before the sender's last accepted message, so it is no longer evidence. */
  readonly spent: boolean;
  /** The sender was already found at fault by this refusal. */
  readonly putBack: boolean;
}

/** What is known about a sender when a message is refused. */
export interface History {
  /** The refusals of other messages since the sender's last accepted message. */
  readonly others: readonly Refusal[];
  /** Whether this message was refused before; `spent` if others were accepted since then. */
  readonly earlier: 'none' | 'open' | 'spent';
}

/** The refusal that is to be judged. */
export interface Observation extends Pick<Refusal, 'messageId' | 'recipient' | 'reply'> {
  /** The server had not seen the recipient yet. */
  readonly beforeRecipient: boolean;
}

/** Who is at fault, and why in a few words for an operator. */
export interface Decision {
  readonly atFault: 'message' | 'sender';
  /** Null if nothing but the reply itself was considered. */
  readonly evidence: string | null;
  /** The other messages that the same fault refused; to be put back if it is the sender's. */
  readonly alike: readonly string[];
}

/** So many messages to different recipients prove that the sender is at fault. */
export const requiredMessages = 3;

/** Judges one refusal by the refusals before it. */
export function judge({ others, earlier }: History, observation: Observation): Decision {
  const same = others.filter(
    ({ reply }) => reply.phase === observation.reply.phase && isSameReply(reply, observation.reply),
  );
  const alike = same.map(({ messageId }) => messageId);
  const bySender = (evidence: string): Decision => ({ atFault: 'sender', evidence, alike });
  const again = earlier === 'spent' ? 'refused again, while other messages were accepted' : null;
  const byMessage: Decision = { atFault: 'message', evidence: again, alike: [] };
  if (observation.beforeRecipient)
    return earlier === 'spent' ? byMessage : bySender('refused before the recipient was named');
  if (same.some(({ putBack }) => putBack))
    return bySender('refused like the messages before it, and none was accepted since');
  const recipients = new Set(same.filter(({ spent }) => !spent).map(({ recipient }) => recipient));
  if (earlier !== 'spent') recipients.add(observation.recipient);
  if (recipients.size >= requiredMessages) return bySender(`${requiredMessages} messages in a row were refused alike`);
  return byMessage;
}
