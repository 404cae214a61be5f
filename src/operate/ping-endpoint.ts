/** A signed test call to an endpoint, and what its answer means in words. */
import { randomUUID } from 'node:crypto';
import { createDelivery } from '../dispatch/delivery.ts';
import type { Delivery } from '../dispatch/dispatcher.ts';
import type { Egress } from '../dispatch/egress/egress.ts';
import { attempt } from '../dispatch/webhook/call-endpoint.ts';
import type { Endpoint } from '../dispatch/webhook/endpoint.ts';
import { silentLogger } from '../vocabulary.ts';

/** How an endpoint answered a test call. */
export interface PingResult {
  /** Whether it would have accepted a message. */
  readonly accepted: boolean;
  /** HTTP status; null: no response. */
  readonly status: string | null;
  /** Time from the start of the call to the end of the response. */
  readonly milliseconds: number;
  /** The `webhook-id` of the call, to find it in the receiver's log. */
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
  redirect: 'use the address that it redirects to: redirects are never followed',
  gone: 'it answered 410, which would switch it off',
  destination_not_allowed:
    'use a public https: URL, or allow it with HERALD_WEBHOOK_ALLOW_HOSTS or HERALD_WEBHOOK_ALLOW_CIDRS',
  no_reply: 'it took too long: answer first, then work',
  deadline: 'it took too long: answer first, then work',
  rate_limited: 'it asks for fewer calls: set requests per second',
  server_error: 'the receiver failed: look for this id in its log',
  refused: 'it refuses the call: check that it verifies with the current secret and accepts this method and path',
};

/** Time to clean up after the endpoint's own timeout, in milliseconds. */
const graceMs = 5_000;

/** Sends a signed test call and explains the response. Never throws for anything that a receiver does. */
export async function pingEndpoint(
  endpoint: Endpoint,
  { egress, appName }: { readonly egress: Egress; readonly appName: string },
): Promise<PingResult> {
  const delivery = pingDelivery(appName, endpoint.id);
  const { messageId } = delivery;
  const startedAt = performance.now();
  const { result } = await attempt({
    endpoint,
    egress,
    userAgent: 'pg-herald',
    delivery,
    context: { signal: AbortSignal.timeout(endpoint.timeoutSeconds * 1_000 + graceMs), logger: silentLogger },
  });
  const milliseconds = Math.round(performance.now() - startedAt);
  const status = result.reply?.code ?? null;
  if (result.outcome === 'sent')
    return { accepted: true, status, milliseconds, messageId, explanation: `accepted: ${advice.sent}` };
  const remedy = advice[result.reason] ?? (status?.startsWith('4') ? advice.refused : undefined);
  const explanation = [result.detail, remedy].filter(Boolean).join('; ');
  return { accepted: false, status, milliseconds, messageId, explanation };
}

function pingDelivery(appName: string, endpointId: string | null): Delivery {
  const text = `This is a test call from ${appName}. No action is needed.`;
  return createDelivery({
    messageId: randomUUID(),
    method: 'webhook',
    template: { name: 'ping', version: 1, group: 'Test' },
    recipient: { id: 'ping' },
    content: {
      ...{ title: 'Test', markdown: text, text, html: `<p>${text.replace(/[&<>"]/g, '')}</p>`, actions: [] },
      ...{ language: 'en', direction: 'ltr' },
    },
    brand: { appName, baseUrl: 'http://localhost' },
    createdAt: new Date(),
    endpointId,
  });
}
