/**
 * PagerDuty Events API v2. The incident is identified by the group key (or the dedupe key, or the message), so a retry
 * never opens a second one, and a later message of the group with the label `event_action: resolve` closes it. The
 * label `severity` may be `critical`, `error` (default), `warning` or `info`.
 * https://developer.pagerduty.com/docs/send-alert-event
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { Action } from '../../../vocabulary.ts';
import type { Delivery } from '../../dispatcher.ts';
import { accepted, contentRefused, parseBody, unusable } from './answer.ts';
import type { Format } from './format.ts';
import { fit, oneLine, plain, utf8Length } from './text.ts';

const limits = { summary: 1_024, field: 255, links: 10, details: 200_000, text: 20_000 } as const;
/** Longer keys, and keys with other characters, are replaced by their hash. */
const readableKey = /^[\x21-\x7e][\x20-\x7e]{0,254}$/;
const actions = ['trigger', 'acknowledge', 'resolve'];
const severities = ['critical', 'error', 'warning', 'info'];
const answer = v.object({ dedup_key: v.optional(v.string()), message: v.optional(v.string()) });

/** Sends an alert event. */
export const pagerDutyFormat: Format = {
  maxBodyBytes: 512_000,
  requestsPerSecond: 2,
  build(delivery, endpoint) {
    const { labels, content } = delivery;
    const event = {
      routing_key: endpoint.secrets[0] ?? '',
      event_action: oneOf(actions, labels['event_action']) ?? 'trigger',
      dedup_key: dedupKey(delivery),
      payload: {
        summary: fit(oneLine(content.title), { max: limits.summary }) || delivery.template.name,
        source: fit(oneLine(delivery.tenant ?? delivery.targets[0] ?? delivery.recipient.id), { max: limits.field }),
        severity: oneOf(severities, labels['severity']) ?? 'error',
        timestamp: delivery.createdAt.toISOString(),
        group: fit(oneLine(delivery.template.group), { max: limits.field }),
        class: delivery.template.name,
        custom_details: details(delivery),
      },
      links: linksOf(content.actions),
    };
    return { url: endpoint.url, headers: {}, body: Buffer.from(JSON.stringify(event)) };
  },
  classify({ status, body }) {
    if (status === 202) return accepted(status, parseBody(answer, body)?.dedup_key);
    if (status === 400 || status === 413) return contentRefused(status);
    if (status === 401 || status === 403 || status === 404)
      return unusable(status, 'authentication', 'the routing key is not accepted');
    return null;
  },
};

function linksOf(actions: readonly Action[]) {
  return actions
    .filter(({ url }) => url.startsWith('http'))
    .slice(0, limits.links)
    .map(({ label, url }) => ({ href: url, text: fit(oneLine(label), { max: limits.field }) }));
}

function dedupKey({ groupKey, dedupeKey, messageId }: Delivery): string {
  const key = groupKey ?? dedupeKey ?? messageId;
  return readableKey.test(key) ? key : createHash('sha256').update(key).digest('hex');
}

/** Text, labels and data, or the text alone if they would exceed the limit. */
function details({ messageId, labels, data, content }: Delivery): object {
  const text = fit(plain(content.text), { max: limits.text });
  const full = { message_id: messageId, text, labels, data };
  return utf8Length(JSON.stringify(full)) <= limits.details ? full : { message_id: messageId, text };
}

function oneOf(values: readonly string[], value: string | undefined): string | undefined {
  return values.find((each) => each === value?.toLowerCase());
}
