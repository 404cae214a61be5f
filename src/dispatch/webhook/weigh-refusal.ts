/** Decides by evidence whether a refusal is the message's own or the fault of its endpoint, as for senders of email. */
import type { Delivery, DispatchResult } from '../dispatcher.ts';
import type { Evidence } from '../evidence/evidence.ts';
import { normaliseReply } from '../evidence/normalise-reply.ts';
import type { Classification } from './classify-response.ts';

/** The name under which the evidence keeps an endpoint; null: the default endpoint. */
export function evidenceNameOf(endpointId: string | null): string {
  return endpointId === null ? 'endpoint' : `endpoint/${endpointId}`;
}

/**
 * Every message to an endpoint has the same receiver, so different messages are what counts. What a receiver says about
 * one message alone is not weighed: its size, and `webhook-delivery: abort-message`.
 */
export async function weighRefusal(
  classification: Classification,
  { messageId, attempt, endpointId }: Delivery,
  evidence: Evidence | null,
): Promise<Classification> {
  const { result } = classification;
  if (evidence === null || !isRefusal(classification) || result.outcome === 'sent') return classification;
  const { reply } = result;
  const judged = await evidence.refused(
    evidenceNameOf(endpointId),
    {
      messageId,
      attempt,
      recipient: messageId,
      phase: 'response',
      beforeRecipient: false,
      closing: false,
      transient: false,
      // What the message says is removed already.
      reply: normaliseReply(`${reply?.code} ${reply?.text ?? ''}`, { texts: [], secrets: [] }),
    },
    result,
  );
  return blamesEndpoint(judged) ? { result: judged, endpoint: 'at_fault' } : { ...classification, result: judged };
}

function isRefusal({ result, endpoint }: Classification): boolean {
  const code = result.reply?.code ?? '';
  return endpoint === 'refusing' && /^[34]\d\d$/.test(code) && code !== '413';
}

function blamesEndpoint(result: DispatchResult): boolean {
  return result.outcome === 'retry' && result.pauseMethod === true;
}
