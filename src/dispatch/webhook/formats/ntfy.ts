/**
 * ntfy, published as JSON. The endpoint's URL names the topic (`https://ntfy.sh/my-topic`); the secret is an access
 * token, if the topic needs one. Texts are plain, so no markup in a value takes effect.
 * https://docs.ntfy.sh/publish/#publish-as-json
 */
import * as v from 'valibot';
import type { Action } from '../../../vocabulary.ts';
import { accepted, contentRefused, parseBody, unusable } from './answer.ts';
import type { Format } from './format.ts';
import { fit, oneLine, plain, utf8Length } from './text.ts';

/** In bytes. ntfy turns a longer message into an attachment. */
const limits = { title: 250, message: 4_000, label: 100, url: 1_000, actions: 3 } as const;
const answer = v.object({ id: v.optional(v.string()) });

/** Publishes title, text and up to three actions. */
export const ntfyFormat: Format = {
  maxBodyBytes: 32_768,
  requestsPerSecond: 1,
  urlProblem: (url) =>
    topicOf(url) === null
      ? 'must end with one topic of letters, digits, - and _, for example https://ntfy.sh/my-topic'
      : null,
  build({ content }, endpoint) {
    const url = new URL(endpoint.url);
    const topic = topicOf(url) ?? '';
    const links = content.actions.filter((action) => utf8Length(action.url) <= limits.url).slice(0, limits.actions);
    const [first] = links;
    const more = first === undefined ? '…' : `…\n${first.url}`;
    const message = {
      topic,
      title: fit(oneLine(content.title), { max: limits.title, measure: utf8Length }),
      message: fit(plain(content.text).trim(), { max: limits.message, measure: utf8Length, ending: more }),
      ...(first === undefined ? {} : { click: first.url }),
      actions: links.map(viewAction),
    };
    const [token] = endpoint.secrets;
    return {
      url: `${url.origin}/`,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: Buffer.from(JSON.stringify(message)),
    };
  },
  classify({ status, body }) {
    if (status === 200) return accepted(status, parseBody(answer, body)?.id);
    if (status === 400 || status === 413) return contentRefused(status);
    if (status === 401 || status === 403)
      return unusable(status, 'authentication', 'no permission to publish to the topic');
    return null;
  },
};

function viewAction({ label, url }: Action) {
  return { action: 'view', label: fit(oneLine(label), { max: limits.label, measure: utf8Length }), url };
}

/** ntfy publishes JSON to its root, so the path is the topic alone. */
function topicOf({ pathname }: URL): string | null {
  return /^\/([\w-]{1,64})\/?$/.exec(pathname)?.[1] ?? null;
}
