/** The one place where a `Delivery` is put together: for the worker, tests, previews and test calls. Pure. */
import type { Action } from '../vocabulary.ts';
import type { Delivery } from './dispatcher.ts';

/** Fields that every message has. */
type RequiredFields = Pick<
  Delivery,
  'messageId' | 'method' | 'template' | 'recipient' | 'content' | 'brand' | 'createdAt'
>;

/** What is known about a message: a stored one has every field, a preview or a test call has few. */
export interface DeliveryInput extends RequiredFields, Partial<Omit<Delivery, keyof RequiredFields>> {
  /**
   * Actions that came with the message. They follow those of the template, as values: they may hold braces that a
   * person typed and must never be read as template source.
   */
  readonly actions?: readonly Action[] | null;
}

/** The delivery of a message. Fields that are not given are empty or null, and `attempt` is 1. */
export function createDelivery(input: DeliveryInput): Delivery {
  const { content, actions } = input;
  return {
    messageId: input.messageId,
    attempt: input.attempt ?? 1,
    method: input.method,
    template: input.template,
    recipient: input.recipient,
    labels: input.labels ?? {},
    secrets: input.secrets ?? [],
    data: input.data ?? null,
    targets: input.targets ?? [],
    content: actions ? { ...content, actions: [...content.actions, ...actions] } : content,
    brand: input.brand,
    createdAt: input.createdAt,
    expiresAt: input.expiresAt ?? null,
    sender: input.sender ?? null,
    tenant: input.tenant ?? null,
    groupKey: input.groupKey ?? null,
    dedupeKey: input.dedupeKey ?? null,
    unsubscribeUrl: input.unsubscribeUrl ?? null,
    attachments: input.attachments ?? [],
    endpointId: input.endpointId ?? null,
  };
}
