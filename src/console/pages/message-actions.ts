/** What an operator can do with one message. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { Pool } from 'pg';
import { cancelMessages, holdMessages, type OperatorNote, retryMessages } from '../../operate/message-actions.ts';
import { endpoints } from '../../operate/endpoints.ts';
import { suppress } from '../../operate/suppressions.ts';
import { isUuid } from '../../vocabulary.ts';
import { actionForm, type Html } from '../elements.ts';
import { formOf } from '../input.ts';
import { type LoadedMessage, loadMessage } from '../rendering.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';

/** Adds the actions of a message's page. */
export function addMessageActions(app: Hono<ConsoleEnv>, services: Services): void {
  app.post('/messages/:id/suppress', (c) => suppressAddress(c, services, c.req.param('id')));
  app.post('/messages/:id/:action', (c) => {
    const { id, action } = c.req.param();
    return act(c, services, { id, action });
  });
}

interface MessageAction {
  readonly done: string;
  readonly refused: string;
  /** Returns false if the message is in a state in which this is not possible. */
  readonly run: (pool: Pool, id: string, note: OperatorNote) => Promise<boolean>;
}

const redeliver = async (pool: Pool, id: string) => (await retryMessages(pool, [id]))[0]?.retried === true;

const actions = new Map<string, MessageAction>([
  [
    'retry',
    {
      done: 'It will be delivered again.',
      refused: 'It cannot be retried: it is waiting, it is sent, or its secret labels were wiped.',
      run: redeliver,
    },
  ],
  [
    'replay',
    {
      done: 'It will be sent again, with the same id.',
      refused: 'It cannot be sent again: its secret labels were wiped.',
      run: async (pool, id) => (await endpoints(pool).replayMessage(id))?.retried === true,
    },
  ],
  ['release', { done: 'Released.', refused: 'It is no longer held.', run: redeliver }],
  [
    'hold',
    {
      done: 'Held until an operator releases it.',
      refused: 'It is no longer waiting.',
      run: async (pool, id, note) => (await holdMessages(pool, [id], note)) === 1,
    },
  ],
  [
    'cancel',
    {
      done: 'Cancelled.',
      refused: 'Too late: it is being sent, or already settled.',
      run: async (pool, id, note) => (await cancelMessages(pool, { ids: [id] }, note))[0]?.answer === 'cancelled',
    },
  ],
]);

async function act(
  c: PageContext,
  services: Services,
  { id, action: name }: { readonly id: string; readonly action: string },
): Promise<Response> {
  const action = actions.get(name);
  if (!isUuid(id) || action === undefined) return c.notFound();
  const why = (await formOf(c))('why');
  const changed = await action.run(services.pool, id, { by: c.get('operator').name, why });
  return finishAction(c, services, {
    audit: changed ? { action: name, subject: id, why: why ?? null } : null,
    note: changed ? action.done : action.refused,
    to: `/messages/${id}`,
  });
}

async function suppressAddress(c: PageContext, services: Services, id: string): Promise<Response> {
  const why = (await formOf(c))('why');
  if (why === undefined)
    return refusal(c, services, 'Give a reason: others will want to know why nothing is sent to this address.');
  const loaded = await loadMessage(services, id);
  if (loaded === null || loaded.source.address === null) return c.notFound();
  const { method } = loaded.message;
  const { address } = loaded.source;
  await suppress(services.pool, { method, address, reason: why });
  return finishAction(c, services, {
    audit: { action: 'suppressions add', subject: method, why },
    note: `Nothing will be sent to ${address} by ${method} any more.`,
    to: `/messages/${id}`,
  });
}

/** The buttons of the actions that are possible in the message's state. */
export function messageActions(c: PageContext, { settings }: Services, { message, source }: LoadedMessage): Html {
  if (c.get('operator').readOnly) return html``;
  const { status, id, method, secretsWiped, recipientId } = message;
  const isComplete = !secretsWiped && recipientId !== 'erased';
  const buttons = [
    ...(isComplete && ['failed', 'expired', 'inhibited'].includes(status) ? [['retry', 'Retry', 'primary']] : []),
    // A receiver of webhooks knows a copy by its id; a person who reads an email does not.
    ...(isComplete && status === 'sent' && method === 'webhook' ? [['replay', 'Send again', '']] : []),
    ...(status === 'held' ? [['release', 'Release', 'primary']] : []),
    ...(status === 'pending' ? [['hold', 'Hold', '']] : []),
    ...(['pending', 'held'].includes(status) ? [['cancel', 'Cancel', '']] : []),
    ...(source.address === null ? [] : [['suppress', `Never send to ${source.address} again`, 'danger']]),
  ] as const;
  if (buttons.length === 0) return html``;
  const path = `${settings.basePath}/messages/${id}`;
  const fields = html`<label for="why">Why</label>
<input id="why" name="why" maxlength="300" autocomplete="off" placeholder="recorded in the audit">
${buttons.map(
  ([action, label, kind]) => html`<button class="${kind}" formaction="${path}/${action}">${label}</button>`,
)}`;
  return actionForm(c, path, fields, 'inline');
}
