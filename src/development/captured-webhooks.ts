/** The method `webhook` while developing: every call goes to the catcher, also those to stored endpoints, each in its endpoint's format. */
import type { Pool } from 'pg';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { FormatName } from '../dispatch/webhook/formats/formats.ts';
import { generateSecret } from '../dispatch/webhook/signature.ts';
import { webhook } from '../dispatch/webhook/webhook.ts';
import { caughtHeader } from './webhook-catcher.ts';

/** The URLs of stored endpoints are never called, nor are their secrets opened. */
export function caughtWebhooks(pool: Pick<Pool, 'query'>, catcherUrl: string): Dispatcher {
  const secret = generateSecret();
  const caller = (format: FormatName, headers: Readonly<Record<string, string>> = {}) =>
    webhook({
      endpoint: { url: format === 'standard' ? catcherUrl : `${catcherUrl}${format}`, format, secret, headers },
      egress: { allowCidrs: ['127.0.0.1/32'] },
    });
  const standard = caller('standard');
  return {
    ...standard,
    async dispatch(delivery, context) {
      const format = delivery.endpointId === null ? 'standard' : await formatOf(pool, delivery.endpointId);
      const call = { ...delivery, endpointId: null };
      if (format === 'standard') return standard.dispatch(call, context);
      // A chat post names no message, so a header that the catcher takes away again does.
      const chat = caller(format, { [caughtHeader]: `${format} ${delivery.messageId}` });
      try {
        return await chat.dispatch(call, context);
      } finally {
        await chat.close?.();
      }
    },
  };
}

/** A deleted endpoint's messages are caught, too. */
async function formatOf(pool: Pick<Pool, 'query'>, endpointId: string): Promise<FormatName> {
  const { rows } = await pool.query<{ format: FormatName }>('SELECT format FROM herald.endpoint WHERE id = $1', [
    endpointId,
  ]);
  return rows[0]?.format ?? 'standard';
}
