/** Tells the owner of an endpoint by mail that it was switched off. */
import type { Logger } from '../../../vocabulary.ts';
import type { SecretBox } from '../../../secrets.ts';
import type { Announce, EndpointNews } from './health-recorder.ts';
import { openSettings } from './stored-endpoint.ts';

const template = 'endpoint-disabled';

const why: Readonly<Record<string, string>> = {
  gone: 'it answered with HTTP status 410, which asks us to stop',
  unusable: 'its address, key or permission was refused',
  failing: 'it had not accepted anything for five days',
  operator: 'an operator switched it off',
};

const readStatement = `SELECT sealed, url_host AS "urlHost" FROM herald.endpoint e
WHERE id = $1 AND EXISTS (SELECT FROM herald.template WHERE name = $2)`;

/**
 * Enqueues the template `endpoint-disabled` for the endpoint's contact, in the transaction that switches it off. Without a contact,
 * or without the template in the database, the log is told instead: an announcement must not keep a dead endpoint on.
 */
export function announceByMail({ box, logger }: { readonly box: SecretBox; readonly logger: Logger }): Announce {
  return async (client, news) => {
    const { endpointId, kind, reason } = news;
    logger.warn({ endpointId, kind, reason }, `endpoint ${kind}`);
    if (kind !== 'disabled') return;
    const { rows } = await client.query<{ sealed: string; urlHost: string }>(readStatement, [endpointId, template]);
    const [row] = rows;
    if (row === undefined) return;
    const { contact } = openSettings(box, endpointId, row.sealed);
    if (contact === undefined) return;
    await client.query('SELECT herald.enqueue($1::jsonb)', [notificationOf(news, { contact, host: row.urlHost })]);
  };
}

function notificationOf(
  news: EndpointNews,
  { contact, host }: { readonly contact: string; readonly host: string },
): string {
  const { endpointId, failures, failingSince, reason, recipientId, tenant } = news;
  return JSON.stringify({
    template,
    to: { id: recipientId ?? tenant ?? `endpoint:${endpointId}`, email: contact },
    methods: ['smtp'],
    labels: {
      endpoint: endpointId,
      url: host,
      failures: String(failures),
      since: (failingSince ?? new Date()).toISOString(),
      reason: why[reason ?? ''] ?? 'it was not usable',
    },
    ...(tenant !== null && { tenant }),
    targets: [endpointId],
    createdBy: 'pg-herald',
  });
}
