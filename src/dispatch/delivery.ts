/** The one place where a `Delivery` is put together: for the worker, tests, previews and test calls. Pure. */
import { cut, oneLine } from '../templates/escape.ts';
import { maximumTitle, RenderError } from '../templates/render.ts';
import { composeUrl } from '../templates/url.ts';
import type { Action, Attachment, Recipient } from '../vocabulary.ts';
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

/**
 * The delivery of a message. Fields that are not given are empty or null, and `attempt` is 1. Names lose what could
 * reorder or hide their text, and the actions of the message are checked again.
 *
 * @throws {RenderError} if the URL of an action is not allowed.
 */
export function createDelivery(input: DeliveryInput): Delivery {
  const { content, actions } = input;
  return {
    messageId: input.messageId,
    attempt: input.attempt ?? 1,
    method: input.method,
    template: input.template,
    recipient: readable(input.recipient),
    labels: input.labels ?? {},
    secrets: input.secrets ?? [],
    data: input.data ?? null,
    targets: input.targets ?? [],
    content: actions ? { ...content, actions: [...content.actions, ...actions.map(checked)] } : content,
    brand: input.brand,
    createdAt: input.createdAt,
    expiresAt: input.expiresAt ?? null,
    sender: input.sender ?? null,
    tenant: input.tenant ?? null,
    groupKey: input.groupKey ?? null,
    dedupeKey: input.dedupeKey ?? null,
    unsubscribeUrl: input.unsubscribeUrl ?? null,
    preferencesUrl: input.preferencesUrl ?? null,
    attachments: (input.attachments ?? []).map(withSafeName),
    endpointId: input.endpointId ?? null,
  };
}

function readable(recipient: Recipient): Recipient {
  return recipient.name === undefined ? recipient : { ...recipient, name: oneLine(recipient.name).trim() };
}

/** A file name shows its real extension: no control may reorder it, not even within the name. */
function withSafeName(file: Attachment): Attachment {
  return { ...file, name: oneLine(file.name).replace(/[\u061c\u200e\u200f\u2066-\u2069]/g, '') };
}

function checked({ label, url }: Action, index: number): Action {
  try {
    return { label: cut(oneLine(label).trim(), maximumTitle), url: composeUrl([url]) };
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    throw new RenderError(`the action ${index + 1} of the message: ${error.message}`);
  }
}
