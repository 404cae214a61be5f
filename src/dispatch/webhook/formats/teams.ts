/**
 * Microsoft Teams through a workflow ("When a Teams webhook request is received"). Texts are runs of a RichTextBlock,
 * which supports neither Markdown nor mentions. A 202 means that the workflow accepted the message, not that it was
 * posted.
 * https://adaptivecards.io/schemas/adaptive-card.json
 */
import { failure, type Classification } from '../classify-response.ts';
import { accepted, contentRefused, unusable } from './answer.ts';
import type { Format } from './format.ts';
import { fit, oneLine, plain, utf8Length } from './text.ts';

/** Teams accepts 28 KB in its own encoding. These are bytes of JSON. */
const limits = { title: 1_000, text: 14_000, label: 100, url: 1_500, actions: 3 } as const;

/** Posts an adaptive card. */
export const teamsFormat: Format = {
  maxBodyBytes: 28_000,
  requestsPerSecond: 1,
  build({ content }, endpoint) {
    const title = fit(oneLine(content.title), { max: limits.title, measure: jsonLength });
    const text = fit(plain(content.text), { max: limits.text, measure: jsonLength });
    const actions = content.actions.filter(({ url }) => jsonLength(url) <= limits.url).slice(0, limits.actions);
    const card = {
      $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
      type: 'AdaptiveCard',
      version: '1.2',
      fallbackText: title,
      msteams: { width: 'Full' },
      body: [
        { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text: title, size: 'large', weight: 'bolder' }] },
        ...text.split(/\n{2,}/).map((paragraph) => ({
          type: 'RichTextBlock',
          inlines: [{ type: 'TextRun', text: paragraph }],
        })),
      ].slice(0, 100),
      actions: actions.map(({ label, url }) => ({
        type: 'Action.OpenUrl',
        title: fit(oneLine(label), { max: limits.label, measure: jsonLength }),
        url,
      })),
    };
    const message = {
      type: 'message',
      attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card }],
    };
    return { url: endpoint.url, headers: {}, body: Buffer.from(JSON.stringify(message)) };
  },
  classify({ status, body }) {
    // The retired connectors, and workflows that imitate them, report errors inside a 200.
    if (status >= 200 && status < 300)
      return /delivery failed with error/i.test(body) ? failedInside(status) : accepted(status);
    if (status === 400 || status === 413) return contentRefused(status);
    if (status === 401 || status === 403 || status === 404)
      return unusable(status, 'authentication', 'the workflow is gone or refuses the call');
    return null;
  },
};

function failedInside(status: number): Classification {
  return {
    result: failure('retry', 'server_error', `HTTP ${status}: the body reports a failed delivery`, status),
    endpoint: 'failing',
  };
}

/** Bytes of the text inside a JSON string. */
function jsonLength(text: string): number {
  return utf8Length(JSON.stringify(text)) - 2;
}
