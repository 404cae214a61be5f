/** Tells the owner of an endpoint what happened to it. */
import type { PoolClient } from 'pg';
import type { SecretBox } from '../../../secrets.ts';
import type { Logger } from '../../../vocabulary.ts';
import type { DisabledReason } from './circuit.ts';
import { openSettings } from './stored-endpoint.ts';

/** What happened to an endpoint. */
export interface EndpointEvent {
  /** `failing`: the fourth attempt of a message failed. `recovered`: a call succeeded after that. */
  readonly kind: 'failing' | 'recovered' | 'disabled';
  /** Id of the endpoint. */
  readonly endpointId: string;
  /** Name of the endpoint. */
  readonly name: string;
  /** Tenant that it belongs to; null: none. */
  readonly tenant: string | null;
  /** Recipient that it belongs to; null: none. */
  readonly recipientId: string | null;
  /** With `disabled`: why. */
  readonly reason: DisabledReason | null;
  /** Time of the first call without success since the last one with success. */
  readonly failingSince: Date | null;
  /** Calls without success in a row. */
  readonly failures: number;
}

/**
 * Tells the owner. Runs in the transaction that changes the endpoint, so a message that is enqueued with `client`
 * exists if and only if the change does. If it throws, its own statements are rolled back, the error is logged, and the
 * change stays.
 */
export type NotifyOwner = (client: Pick<PoolClient, 'query'>, event: EndpointEvent) => Promise<void>;

const template = 'endpoint-disabled';

const causes: Readonly<Record<DisabledReason, string>> = {
  gone: 'it answered with HTTP status 410, which asks us to stop',
  unusable: 'its address, key or permission was refused',
  failing: 'it had not accepted anything for five days',
  operator: 'an operator switched it off',
};

const contactStatement = `SELECT sealed, url_host AS "urlHost" FROM herald.endpoint e
WHERE id = $1 AND EXISTS (SELECT FROM herald.template WHERE name = $2)`;

/**
 * Enqueues the template `endpoint-disabled` for the contact of an endpoint that is switched off. Every event is also
 * logged at warn; without a contact, or without the template in the database, only that.
 */
export function notifyOwnerByEmail({ box, logger }: { readonly box: SecretBox; readonly logger: Logger }): NotifyOwner {
  return async (client, event) => {
    const { endpointId, kind, reason } = event;
    logger.warn({ endpointId, kind, reason }, `endpoint ${kind}`);
    if (kind !== 'disabled') return;
    const { rows } = await client.query<{ sealed: string; urlHost: string }>(contactStatement, [endpointId, template]);
    const [row] = rows;
    if (row === undefined) return;
    const { contact } = openSettings(box, endpointId, row.sealed);
    if (contact === undefined) return;
    await client.query('SELECT herald.enqueue($1::jsonb)', [notificationOf(event, { contact, host: row.urlHost })]);
  };
}

function notificationOf(
  event: EndpointEvent,
  { contact, host }: { readonly contact: string; readonly host: string },
): string {
  const { endpointId, recipientId, tenant } = event;
  return JSON.stringify({
    template,
    to: { id: recipientId ?? tenant ?? `endpoint:${endpointId}`, email: contact },
    methods: ['smtp'],
    labels: labelsOf(event, host),
    ...(tenant !== null && { tenant }),
    targets: [endpointId],
    createdBy: 'pg-herald',
  });
}

function labelsOf({ endpointId, failures, failingSince, reason }: EndpointEvent, host: string) {
  return {
    endpoint: endpointId,
    url: host,
    failures: String(failures),
    since: (failingSince ?? new Date()).toISOString(),
    reason: causes[reason ?? 'failing'],
  };
}
