/** A table of messages that tells them apart: title, recipient, time and status. */
import { html } from 'hono/html';
import { type MessageHead, readMessageHeads } from '../../operate/message-heads.ts';
import type { MessageLine } from '../../operate/messages.ts';
import type { Brand } from '../../vocabulary.ts';
import { type Html, relativeTime, statusBadge, table, wideHeading } from '../elements.ts';
import { blackedOut, tryRender } from '../rendering.ts';
import type { Services } from '../services.ts';

const headings = [
  'Message',
  'Recipient',
  'Created',
  wideHeading('Method'),
  'Status',
  html`<th scope="col" class="num wide">Attempts</th>`,
];

/** The table of some messages. Renders their titles. */
export async function messageTable(services: Services, label: string, lines: readonly MessageLine[]): Promise<Html> {
  const heads = await readMessageHeads(
    services.pool,
    lines.map(({ id }) => id),
  );
  const byId = new Map(await Promise.all(heads.map(async (head) => [head.id, await branded(services, head)] as const)));
  const rows = lines.map((line) => messageRow(services, line, byId.get(line.id)));
  return table(label, headings, rows, 'lines');
}

/** A title may name the application. */
interface BrandedHead extends MessageHead {
  readonly brand: Brand;
}

async function branded({ tenants }: Services, head: MessageHead): Promise<BrandedHead> {
  return { ...head, brand: (await tenants.settingsOf(head.tenant)).brand };
}

function messageRow(services: Services, line: MessageLine, head: BrandedHead | undefined): Html {
  const path = `${services.settings.basePath}/messages/${line.id}`;
  const title = (head && titleOf(services, head)) ?? line.template;
  return html`<tr class="go">
<td class="cut subject"><a href="${path}">${title}</a>
<span class="reason">${line.template} v${line.version}</span></td>
<td class="cut who-to">${recipientOf(line, head)}</td>
<td class="when">${relativeTime(line.createdAt)}</td>
<td class="wide">${line.method}</td>
<td class="state">${statusBadge(line.status, line.reason)}</td>
<td class="num wide">${line.attempts}</td>
</tr>`;
}

const bare = { body: '', actions: [] };

/** Null if it cannot be rendered: the message was erased, or a label is missing. */
function titleOf({ render }: Services, head: BrandedHead): string | null {
  const { template: name, version, language, title, titles, recipient, data, targets, createdAt, brand } = head;
  const secrets = Object.fromEntries(head.secretLabels.map((label) => [label, blackedOut]));
  const rendered = tryRender(() =>
    render({
      template: { name, version, language, title, ...bare, texts: titles?.map((each) => ({ ...each, ...bare })) ?? [] },
      labels: { ...head.labels, ...secrets },
      ...{ recipient, data, targets, createdAt, brand },
    }),
  );
  return 'problem' in rendered ? null : rendered.title;
}

/** Name and address as in an email; below them the id, unless it is the same, and the endpoint. */
function recipientOf({ recipientId }: MessageLine, head: MessageHead | undefined): Html {
  const address = head?.address ?? head?.recipient.email ?? null;
  const named = [head?.recipient.name, address].filter((text) => text !== undefined && text !== null).join(', ');
  const who = named === '' ? recipientId : named;
  const more = [
    ...(named === '' || address === recipientId ? [] : [recipientId]),
    ...(head?.endpoint ? [`to ${head.endpoint}`] : []),
  ].join(', ');
  return html`${who}${more === '' ? '' : html` <span class="reason">${more}</span>`}`;
}
