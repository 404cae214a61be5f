/**
 * Slack incoming webhooks, and services that accept the same (Mattermost, Rocket.Chat, Zulip). Texts are `plain_text`,
 * so no markup in a value takes effect; `&`, `<` and `>` are escaped as Slack requires, which also makes `<!channel>`
 * harmless. Compatible services show `text` alone, as Markdown: in it, mentions and links of values are broken up.
 * https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
import * as v from 'valibot';
import type { Action, RenderedContent } from '../../../vocabulary.ts';
import { failure, classifyGone, type ResponseFacts, type Classification } from '../classify-response.ts';
import { accepted, contentRefused, parseBody, unusable } from './answer.ts';
import type { Format } from './format.ts';
import { fit, oneLine, plain, safeUrl } from './text.ts';

const limits = {
  header: 150,
  section: 3_000,
  fallback: 4_000,
  fallbackLinks: 2_200,
  label: 75,
  url: 2_000,
  actions: 10,
} as const;

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors */
const errorWords: ReadonlySet<string> = new Set([
  ...[
    'action_prohibited',
    'channel_is_archived',
    'channel_not_found',
    'invalid_token',
    'no_active_hooks',
    'no_service',
  ],
  ...['no_service_id', 'no_team', 'no_text', 'posting_to_general_channel_denied', 'rollup_error', 'team_disabled'],
  ...['token_revoked', 'too_many_attachments', 'user_not_found'],
]);

/** Posts a header, the text and links. */
export const slackFormat: Format = {
  maxBodyBytes: 262_144,
  requestsPerSecond: 1,
  build({ content }, endpoint) {
    return { url: endpoint.url, headers: {}, body: Buffer.from(JSON.stringify(slackMessage(content))) };
  },
  classify(response) {
    const { status, body } = response;
    if (status === 200) return saysNotOk(body) ? notOk(status) : accepted(status);
    if (status === 400) return contentRefused(status);
    if (status === 403 || status === 404) return unusable(status, 'authentication', errorWord(response));
    return status === 410 ? archived(response) : null;
  },
};

/** The message of the incoming webhook. A test compares its type with Slack's own. */
export function slackMessage(content: RenderedContent) {
  const title = oneLine(content.title);
  const body = fit(plain(content.text), { max: limits.section, escape });
  return {
    // For notifications, and for services that do not show blocks.
    text: fallbackText(content),
    mrkdwn: false,
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      ...(title === ''
        ? []
        : [{ type: 'header' as const, text: plainText(fit(title, { max: limits.header, escape })) }]),
      ...(body.trim() === '' ? [] : [{ type: 'section' as const, text: plainText(body) }]),
      ...linkSections(content.actions),
    ],
  };
}

const zeroWidthSpace = '\u200b';

/** Title, text and the URLs of actions. Zero-width spaces keep Mattermost and others from making values into markup. */
function fallbackText({ title, text, actions }: RenderedContent): string {
  const links = actions
    .slice(0, limits.actions)
    .map(({ label, url }) => `\n${fit(broken(oneLine(label)), { max: limits.label, escape })}: ${escapeUrl(url)}`)
    .reduce((lines, line) => (lines.length + line.length <= limits.fallbackLinks ? lines + line : lines), '');
  const texts = broken(`${oneLine(title)}\n${plain(text)}`);
  return `${fit(texts, { max: limits.fallback - links.length, escape })}${links}`;
}

/** Without mentions (`@all`, `~channel`, `#tag`), links and addresses that a service would recognise. */
function broken(text: string): string {
  return text.replace(/[@~#]|:(?=\/\/)|\](?=[([])|www(?=\.)/gi, `$&${zeroWidthSpace}`);
}

function plainText(text: string): { type: 'plain_text'; text: string; emoji: false } {
  return { type: 'plain_text', text, emoji: false };
}

/** Links, not buttons: Slack warns a person who clicks a button of an app without interactivity. */
function link({ label, url }: Action): string | null {
  const target = escapeUrl(url);
  if (target.length > limits.url) return null;
  const text = fit(oneLine(label), { max: limits.label, escape: (char) => (char === '|' ? '¦' : escape(char)) });
  return `<${target}|${text}>`;
}

/** As few sections as possible: two links of maximum length do not fit into one. */
function linkSections(actions: readonly Action[]) {
  const links = actions
    .slice(0, limits.actions)
    .map(link)
    .filter((text) => text !== null);
  const texts = links.reduce<string[]>((lines, next) => {
    const last = lines.at(-1);
    if (last === undefined || last.length + next.length + 1 > limits.section) return [...lines, next];
    return [...lines.slice(0, -1), `${last}\n${next}`];
  }, []);
  return texts.map((text) => ({ type: 'section' as const, text: { type: 'mrkdwn' as const, text, verbatim: true } }));
}

function escapeUrl(url: string): string {
  return safeUrl(url).replaceAll('&', '&amp;');
}

function escape(codePoint: string): string {
  return { '&': '&amp;', '<': '&lt;', '>': '&gt;' }[codePoint] ?? codePoint;
}

const answer = v.object({
  ok: v.optional(v.boolean()),
  success: v.optional(v.boolean()),
  result: v.optional(v.string()),
});

/** A 200 means accepted, whatever a compatible service says in it, unless the body says otherwise. */
function saysNotOk(body: string): boolean {
  if (errorWords.has(body.trim())) return true;
  const parsed = parseBody(answer, body);
  return parsed?.ok === false || parsed?.success === false || parsed?.result === 'error';
}

function notOk(status: number): Classification {
  return {
    result: failure('retry', 'unparsable_reply', `HTTP ${status} with an error in the body`, status),
    endpoint: 'failing',
  };
}

function archived(response: ResponseFacts): Classification {
  const classification = classifyGone(response.status);
  return { ...classification, result: { ...classification.result, ...{ detail: `HTTP 410: ${errorWord(response)}` } } };
}

/** Slack's own word for the error. Any other text is the receiver's, and may repeat what it was sent. */
function errorWord({ body }: ResponseFacts): string {
  const word = body.trim();
  return errorWords.has(word) ? word : 'the webhook is not accepted';
}
