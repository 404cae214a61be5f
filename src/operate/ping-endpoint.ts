/** A signed test call to an endpoint, and what its answer means in words. */
import { randomUUID } from 'node:crypto';
import { silentLogger } from '../vocabulary.ts';
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery } from '../dispatch/dispatcher.ts';
import type { Egress } from '../dispatch/egress/egress.ts';
import { attempt } from '../dispatch/webhook/attempt.ts';
import type { Endpoint } from '../dispatch/webhook/endpoint.ts';

export interface PingAnswer {
  readonly accepted: boolean;
  readonly status: string | null;
  readonly milliseconds: number;
  /** The `webhook-id` that was sent, for the receiver's log. */
  readonly messageId: string;
  /** What happened, and what to do about it. */
  readonly explanation: string;
}

const advice: Readonly<Record<string, string>> = {
  sent: 'it accepts signed messages',
  dns: 'check the host name of its URL and the name servers of the worker',
  unreachable: 'nothing answers there: check host, port and firewall',
  connect_timeout: 'nothing answers there in time: check host, port and firewall',
  tls: 'check its certificate (name, expiry, chain), or give its CA when adding the endpoint',
  redirect: 'give the address that it redirects to: redirects are never followed',
  gone: 'it answered 410, which would switch it off',
  destination_not_allowed: 'use a public https: URL, or allow the destination in the egress settings',
  no_reply: 'it took too long: answer first, then work',
  deadline: 'it took too long: answer first, then work',
  rate_limited: 'it asks for fewer calls: set requests per second',
  server_error: 'it failed by itself: look into its log under this id',
  refused: 'it refuses: check that it verifies with the current secret and accepts this method and path',
};

export async function ping(
  endpoint: Endpoint,
  { egress, appName }: { readonly egress: Egress; readonly appName: string },
): Promise<PingAnswer> {
  const messageId = randomUUID();
  const startedAt = performance.now();
  const abort = AbortSignal.timeout(endpoint.timeoutSeconds * 1000 + 5000);
  const delivery = pingOf(messageId, { appName, endpointId: endpoint.id });
  const { result } = await attempt({
    endpoint,
    egress,
    userAgent: 'pg-herald',
    delivery,
    context: { signal: abort, logger: silentLogger },
  });
  const milliseconds = Math.round(performance.now() - startedAt);
  const status = result.reply?.code ?? null;
  if (result.outcome === 'sent')
    return { accepted: true, status, milliseconds, messageId, explanation: `accepted: ${advice.sent}` };
  const remedy = advice[result.reason] ?? (status?.startsWith('4') ? advice.refused : undefined);
  const explanation = [result.detail, remedy].filter(Boolean).join('; ');
  return { accepted: false, status, milliseconds, messageId, explanation };
}

function pingOf(messageId: string, about: { readonly appName: string; readonly endpointId: string | null }): Delivery {
  const text = `This is a test of ${about.appName}. There is nothing to do.`;
  return createDelivery({
    messageId,
    method: 'webhook',
    template: { name: 'ping', version: 1, group: 'Test' },
    recipient: { id: 'ping' },
    content: { title: 'Test', markdown: text, text, html: `<p>${text.replace(/[&<>"]/g, '')}</p>`, actions: [] },
    brand: { appName: about.appName, baseUrl: 'http://localhost' },
    createdAt: new Date(),
    endpointId: about.endpointId,
  });
}
