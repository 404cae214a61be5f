/** What an operator can do with one message. */
import type { Hono } from 'hono';
import { cancel } from '../../enqueue/cancel.ts';
import { recordAudit } from '../../operate/audit.ts';
import { holdMessages, retryMessages } from '../../operate/message-actions.ts';
import { suppress } from '../../operate/suppressions.ts';
import { leaveNote } from '../cookies.ts';
import { formOf, isId } from '../input.ts';
import { loadMessage } from '../rendering.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { refusal } from './failure.ts';

export function addMessageActions(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  const one = async (id: string, action: string): Promise<boolean> => {
    switch (action) {
      case 'retry':
      case 'release':
        return (await retryMessages(pool, [id]))[0]?.retried === true;
      case 'hold':
        return (await holdMessages(pool, [id])) === 1;
      default:
        return (await cancel(pool, { ids: [id] }))[0]?.answer === 'cancelled';
    }
  };

  app.post('/messages/:id/suppress', async (c) => {
    const id = c.req.param('id');
    const why = (await formOf(c))('why');
    if (why === undefined)
      return refusal(c, services, 'Give a reason: others will want to know why nothing is sent to this address.');
    const loaded = await loadMessage(pool, id);
    if (loaded === null || loaded.source.address === null) return c.notFound();
    const { method } = loaded.message;
    const { address } = loaded.source;
    await suppress(pool, { method, address, reason: why });
    const actor = c.get('operator').name;
    await recordAudit(pool, { actor, action: 'suppressions add', subject: method, why });
    leaveNote(c, services, `Nothing will be sent to ${address} by ${method} any more.`);
    return c.redirect(`${settings.basePath}/messages/${id}`, 303);
  });

  app.post('/messages/:id/:action', async (c) => {
    const { id, action } = c.req.param();
    const words = done[action];
    if (!isId(id) || words === undefined) return c.notFound();
    const why = (await formOf(c))('why') ?? null;
    const acted = await one(id, action);
    if (acted) await recordAudit(pool, { actor: c.get('operator').name, action, subject: id, why });
    leaveNote(c, services, acted ? words.done : words.refused);
    return c.redirect(`${settings.basePath}/messages/${id}`, 303);
  });
}

const done: Readonly<Record<string, { readonly done: string; readonly refused: string }>> = {
  retry: {
    done: 'It will be delivered again.',
    refused: 'It cannot be retried: it is waiting, it is sent, or its secret labels were wiped.',
  },
  release: { done: 'Released.', refused: 'It is no longer held.' },
  hold: { done: 'Held until an operator releases it.', refused: 'It is no longer waiting.' },
  cancel: { done: 'Cancelled.', refused: 'Too late: it is being sent, or already settled.' },
};
