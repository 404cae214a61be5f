/** The method `webhook` during development: every call goes to the catcher, in the format of its endpoint. */
import type { Pool } from 'pg';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { FormatName } from '../dispatch/webhook/formats/formats.ts';
import { generateSecret } from '../dispatch/webhook/signature.ts';
import { webhook } from '../dispatch/webhook/webhook.ts';
import { captureHeader } from './webhook-catcher.ts';

/** Never calls the URL of a stored endpoint and never decrypts its secrets. */
export function capturingWebhooks(pool: Pick<Pool, 'query'>, catcherUrl: string): Dispatcher {
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
      // The body of a chat post does not identify its message, so a header does. The catcher removes it.
      const chat = caller(format, { [captureHeader]: `${format} ${delivery.messageId}` });
      try {
        return await chat.dispatch(call, context);
      } finally {
        await chat.close?.();
      }
    },
  };
}

/** Messages of a deleted endpoint are captured in the standard format. */
async function formatOf(pool: Pick<Pool, 'query'>, endpointId: string): Promise<FormatName> {
  const { rows } = await pool.query<{ format: FormatName }>('SELECT format FROM herald.endpoint WHERE id = $1', [
    endpointId,
  ]);
  return rows[0]?.format ?? 'standard';
}
