/**
 * Discord webhooks, with `wait=true`, because Discord otherwise reports no error for a message that it does not save.
 * Values cannot mention anyone: `allowed_mentions` is empty, and a mention in a value is broken up so that it does not
 * look like one either.
 * https://discord.com/developers/docs/resources/webhook#execute-webhook
 */
import * as v from 'valibot';
import type { Action } from '../../../vocabulary.ts';
import { classifyResponse, classifyGone } from '../classify-response.ts';
import { accepted, contentRefused, parseBody, unusable } from './answer.ts';
import type { Format } from './format.ts';
import { fit, oneLine, plain, safeUrl } from './text.ts';

const limits = { title: 256, description: 4_096, label: 80, url: 512, actions: 5 } as const;

/** JSON error code "Unknown Webhook". */
const unknownWebhook = 10_015;
const answer = v.object({
  id: v.optional(v.string()),
  code: v.optional(v.number()),
  retry_after: v.optional(v.number()),
});

/** Posts an embed with title, text and links. */
export const discordFormat: Format = {
  maxBodyBytes: 262_144,
  requestsPerSecond: 1,
  build({ content, createdAt }, endpoint) {
    const url = new URL(endpoint.url);
    url.searchParams.set('wait', 'true');
    const footer = footerOf(content.actions);
    const text = fit(plain(content.text).trim(), { max: limits.description - footer.length, escape });
    const message = {
      embeds: [
        {
          title: fit(oneLine(content.title), { max: limits.title, escape }),
          description: `${text}${footer}`.trim(),
          timestamp: createdAt.toISOString(),
        },
      ],
      allowed_mentions: { parse: [] },
    };
    return { url: url.href, headers: {}, body: Buffer.from(JSON.stringify(message)) };
  },
  classify(response, context) {
    const { status, body, headers } = response;
    const parsed = parseBody(answer, body);
    if (status >= 200 && status < 300) return accepted(status, parsed?.id);
    if (status === 404 || parsed?.code === unknownWebhook) return classifyGone(status);
    if (status === 401 || status === 403) return unusable(status, 'authentication', 'the webhook is not accepted');
    if (status === 400) return contentRefused(status);
    if (status !== 429 || headers['retry-after'] !== undefined || parsed?.retry_after === undefined) return null;
    return classifyResponse({ ...response, headers: { ...headers, 'retry-after': `${parsed.retry_after}` } }, context);
  },
};

function footerOf(actions: readonly Action[]): string {
  const links = actions.map(link).filter((text) => text !== null);
  return links.length === 0 ? '' : `\n\n${links.slice(0, limits.actions).join('\n')}`;
}

function link({ label, url }: Action): string | null {
  const target = safeUrl(url);
  return target.length > limits.url ? null : `[${fit(oneLine(label), { max: limits.label, escape })}](<${target}>)`;
}

/** A backslash before every character of Discord's Markdown; a zero-width space after `@`. */
function escape(codePoint: string): string {
  if (codePoint === '@') return '@\u200b';
  return /[\\*_~`|>#\-+[\]()<:.]/.test(codePoint) ? `\\${codePoint}` : codePoint;
}
