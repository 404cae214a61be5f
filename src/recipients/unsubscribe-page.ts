/** `/u/TOKEN`: one button to unsubscribe and one to undo it. A POST acts; a GET changes nothing, whoever sends it. */
import { html } from 'hono/html';
import { filled, filledText, type Page, type PageContext } from './document.ts';
import type { PageSettings } from './options.ts';
import { methodIn } from './page-language.ts';
import type { LinkSubject } from './token.ts';

/** One request to a link of this page. */
export interface UnsubscribeRequest {
  readonly subject: LinkSubject<'unsubscribe'>;
  /** Null for a GET. */
  readonly form: FormData | null;
}

/** Whether the recipient receives the group of the link. */
interface Subscription {
  readonly group: string;
  readonly enabled: boolean;
  readonly mandatory: boolean;
}

const functions = { show: 'subscription', unsubscribe: 'unsubscribe', resubscribe: 'resubscribe' } as const;

/** Acts, and returns the page that shows the result. Rejects when the database is away. */
export async function unsubscribePage(
  { subject, form }: UnsubscribeRequest,
  settings: PageSettings,
  context: PageContext,
): Promise<Page> {
  // Whatever a mailbox provider sends with its POST, it unsubscribes; only our own second button undoes it.
  const action = form === null ? 'show' : form.get('action') === 'resubscribe' ? 'resubscribe' : 'unsubscribe';
  const { recipientId, template, method } = subject;
  const { rows } = await settings.pool.query<Subscription>(
    `SELECT template_group AS "group", enabled, mandatory FROM herald.${functions[action]}($1, $2, $3)`,
    [recipientId, template, method],
  );
  const [subscription] = rows;
  // The template does not exist, as in a database that was rebuilt: nothing is sent by it.
  if (subscription === undefined) return unsubscribed(template, subject, settings, context);
  if (subscription.mandatory) return always(context);
  if (!subscription.enabled) return unsubscribed(subscription.group, subject, settings, context);
  return action === 'resubscribe'
    ? subscribedAgain(subscription.group, subject, settings, context)
    : question(subscription.group, subject, settings, context);
}

type Show = (group: string, subject: LinkSubject<'unsubscribe'>, settings: PageSettings, context: PageContext) => Page;

function valuesOf(group: string, method: string, { words, brand }: PageContext) {
  const app = brand.appName;
  return { group, app, method: filledText(methodIn(words, method), { app }) };
}

const question: Show = (group, subject, settings, context) => {
  const { words } = context;
  const values = valuesOf(group, subject.method, context);
  return {
    status: 200,
    title: filledText(words.question, values),
    main: html`<h1>${filled(words.question, values)}</h1>
<p>${filled(words.questionText, values)}</p>
<form method="post"><button type="submit">${words.unsubscribe}</button></form>
${preferencesLink(subject, settings, context)}`,
  };
};

const unsubscribed: Show = (group, subject, settings, context) => {
  const { words } = context;
  return {
    status: 200,
    title: words.done,
    main: html`<h1>${words.done}</h1>
<p>${filled(words.doneText, valuesOf(group, subject.method, context))}</p>
<form method="post"><input type="hidden" name="action" value="resubscribe">
<button type="submit" class="plain">${words.resubscribe}</button></form>
${preferencesLink(subject, settings, context)}`,
  };
};

const subscribedAgain: Show = (group, subject, settings, context) => {
  const { words } = context;
  return {
    status: 200,
    title: words.again,
    main: html`<h1>${words.again}</h1>
<p>${filled(words.againText, valuesOf(group, subject.method, context))}</p>
<form method="post"><button type="submit" class="plain">${words.unsubscribe}</button></form>
${preferencesLink(subject, settings, context)}`,
  };
};

function always({ words, brand }: PageContext): Page {
  const main = html`<h1>${words.always}</h1>
<p>${filled(words.alwaysText, { app: brand.appName })}</p>`;
  return { status: 200, title: words.always, main };
}

function preferencesLink(
  { recipientId, tenant }: LinkSubject<'unsubscribe'>,
  { box, basePath }: PageSettings,
  { words }: PageContext,
) {
  const token = box.seal('preferences', { recipientId, tenant });
  return html`<p><a href="${basePath}/p/${token}">${words.choose}</a></p>`;
}
