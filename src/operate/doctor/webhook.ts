/** Whether the default endpoint may be called, and whether the key decrypts the stored endpoints. */
import { createEgress } from '../../dispatch/egress/egress.ts';
import { parseEgress } from '../../dispatch/egress/egress-options.ts';
import type { WebhookOptions } from '../../dispatch/webhook/webhook-options.ts';
import type { Queryable } from '../../database/pool.ts';
import { ConfigurationError } from '../../errors.ts';
import { createSecretBox } from '../../secrets.ts';
import { endpoints } from '../endpoints.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** Examines the webhook settings of a worker. */
export async function examineWebhook(
  client: Queryable,
  { webhook, secretKeys }: { readonly webhook: WebhookOptions; readonly secretKeys: readonly string[] },
): Promise<Finding[]> {
  return [
    ...examineDefaultEndpoint(webhook),
    ...(await examineStoredEndpoints(client, secretKeys)),
    ...(await examineFaults(client)),
  ];
}

function examineDefaultEndpoint({ endpoint, egress: options }: WebhookOptions): Finding[] {
  if (endpoint?.url === undefined) return [];
  const { url } = endpoint;
  const egress = createEgress(parseEgress(options ?? {}));
  try {
    const refusal = egress.refusal(url);
    if (refusal === null) return [];
    const text = `HERALD_WEBHOOK_URL may not be called: ${refusal}`;
    return [problem('webhook', text, 'use a public https: URL, or allow it with HERALD_WEBHOOK_ALLOW_HOSTS')];
  } finally {
    egress.close();
  }
}

const faultsStatement = `
SELECT e.id, e.url_host AS host, a.detail FROM herald.endpoint e CROSS JOIN LATERAL (
  SELECT a.detail FROM herald.refusal r JOIN herald.attempt a ON a.message_id = r.message_id AND a.number = r.attempt
  WHERE r.method = e.method AND r.sender = 'endpoint/' || e.id AND r.kind = 'refused' AND r.waiting
    AND a.detail LIKE '%the endpoint is at fault%'
  ORDER BY r.at DESC LIMIT 1) a
WHERE e.opened_at IS NOT NULL AND e.disabled_at IS NULL ORDER BY e.opened_at LIMIT 20`;

/** The endpoints that evidence blames, each with that evidence. */
async function examineFaults(client: Queryable): Promise<Finding[]> {
  const { rows } = await client.query<{ id: string; host: string; detail: string }>(faultsStatement);
  return rows.map(({ id, host, detail }) =>
    warning(
      'endpoints',
      `${id} (${host}) refuses messages: ${detail}`,
      `fix the receiver; a probe resumes it automatically, or "pg-herald endpoints enable ${id}" at once`,
    ),
  );
}

async function examineStoredEndpoints(client: Queryable, secretKeys: readonly string[]): Promise<Finding[]> {
  const stored = await endpoints(client)
    .list()
    .catch(() => []);
  if (stored.length === 0) return [];
  if (secretKeys.length === 0)
    return [problem('endpoints', 'HERALD_SECRET_KEY is not set here', 'set the key that encrypted the endpoints')];
  const encrypted = endpoints(client, { secrets: createSecretBox(secretKeys) });
  for (const { id } of stored)
    try {
      await encrypted.verify(id);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      const remedy = 'add the missing key after the current one, or replace the endpoint';
      return [problem('endpoints', `${id}: ${error.message}`, remedy)];
    }
  return [ok('endpoints', `the key decrypts all ${stored.length}`)];
}
