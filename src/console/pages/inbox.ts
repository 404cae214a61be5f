/** A recipient's inbox as they see it, on the recipient's page. Looking marks nothing. */
import { html } from 'hono/html';
import { createItems } from '../../inbox/items.ts';
import type { Item } from '../../inbox/item.ts';
import { empty, type Html, relativeTime, table, wideHeading } from '../elements.ts';
import type { Services } from '../services.ts';

const shownItems = 20;
/** Characters of a body in the list. */
const excerptLength = 160;

/** The newest items and the counts; empty for a recipient who never had an item. */
export async function inboxOf({ pool, settings }: Services, recipientId: string): Promise<Html> {
  const { items, unread, unseen, next } = await createItems({ brand: settings.brand }).list(pool, {
    recipientId,
    limit: shownItems,
  });
  const lead = html`<p class="lead">${unread} unread, ${unseen} of them not seen yet${
    next === null ? '' : `; the newest ${shownItems} are below`
  }.</p>`;
  const rows = items.map((item) => itemRow(item, settings.basePath));
  return html`<h2 id="inbox">Inbox</h2>
${items.length === 0 ? empty('The inbox is empty.') : html`${lead}${table('Inbox', headings, rows)}`}`;
}

const headings = ['Item', 'State', wideHeading('Text'), 'Since'];

function itemRow(item: Item, base: string): Html {
  const excerpt = item.text.replace(/\s+/g, ' ').slice(0, excerptLength);
  const title = html`<bdi lang="${item.language}">${item.title}</bdi>`;
  return html`<tr><th scope="row"><a href="${base}/messages/${item.id}">${title}</a></th>
<td data-label="State">${stateOf(item)}</td>
<td class="wide"><bdi lang="${item.language}">${excerpt}</bdi></td>
<td data-label="Since">${relativeTime(new Date(item.createdAt))}</td></tr>`;
}

function stateOf({ seenAt, readAt }: Item): Html {
  if (readAt !== null) return html`<span class="status cancelled">read</span>`;
  return html`<span class="status pending">${seenAt === null ? 'unseen' : 'seen, not read'}</span>`;
}
