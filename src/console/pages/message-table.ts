/** A table of messages. */
import { html } from 'hono/html';
import type { MessageLine } from '../../operate/messages.ts';
import { type Html, statusBadge, table, time, wideHeading } from '../elements.ts';
import type { Services } from '../services.ts';

const headings = [
  'Created',
  'Recipient',
  wideHeading('Template'),
  wideHeading('Method'),
  'Status',
  html`<th scope="col" class="num wide">Attempts</th>`,
];

/** The table around rows of `messageRow`. */
export function messageTable(label: string, rows: readonly Html[]): Html {
  return table(label, headings, rows, 'lines');
}

/** One message as a row that leads to its page. */
export function messageRow({ settings }: Services, line: MessageLine): Html {
  const path = `${settings.basePath}/messages/${line.id}`;
  return html`<tr>
<td class="when"><a href="${path}">${time(line.createdAt)}<span class="hide"> for ${line.recipientId}</span></a></td>
<td class="cut who-to">${line.recipientId}<span class="narrow">${line.template} · ${line.method}</span></td>
<td class="wide">${line.template} <span class="none">v${line.version}</span></td>
<td class="wide">${line.method}</td>
<td class="state">${statusBadge(line.status, line.reason)}</td>
<td class="num wide">${line.attempts}</td>
</tr>`;
}
