/** `/a/TOKEN`: one button to acknowledge a notification. A POST acts; a GET changes nothing, whoever sends it. */
import { html } from 'hono/html';
import { filled, type Page, type PageContext } from './document.ts';
import type { PageSettings } from './options.ts';
import type { LinkSubject } from './token.ts';

/** Acts on a POST, and returns the page that shows the result. Rejects when the database is away. */
export async function acknowledgePage(
  { subject, form }: { readonly subject: LinkSubject<'acknowledge'>; readonly form: FormData | null },
  { pool }: PageSettings,
  context: PageContext,
): Promise<Page> {
  const { words } = context;
  if (form === null)
    return pageOf(
      words.acknowledgeQuestion,
      context,
      html`<form method="post"><button type="submit">${words.acknowledge}</button></form>`,
    );
  // Acknowledged before, or purged since: the answer is the same.
  await pool.query('SELECT acknowledged FROM herald.acknowledge($1, notification_id => $2::uuid)', [
    subject.recipientId,
    subject.notificationId,
  ]);
  return pageOf(words.acknowledged, context, html``);
}

function pageOf(title: string, { words, brand }: PageContext, button: ReturnType<typeof html>): Page {
  return {
    status: 200,
    title,
    main: html`<h1>${title}</h1>
<p>${filled(words.acknowledgeText, { app: brand.appName })}</p>
${button}`,
  };
}
