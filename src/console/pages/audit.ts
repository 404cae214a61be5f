/** What operators did, in the console and on the command line. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type AuditRecord, listAudit } from '../../operate/audit.ts';
import { isUuid } from '../../vocabulary.ts';
import { empty, type Html, searchForm, table, time } from '../elements.ts';
import { cleaned } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';

const maxRecords = 200;

/** Adds the page of the audit. */
export function addAudit(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/audit', (c) => auditPage(c, services));
}

async function auditPage(c: PageContext, services: Services): Promise<Response> {
  const { pool, settings } = services;
  const subject = cleaned(c.req.query('subject'));
  const records = await listAudit(pool, { subject, limit: maxRecords });
  const rows = records.map((record) => auditRow(settings.basePath, record));
  const placeholder = 'message, method, template or endpoint';
  const search = { name: 'subject', label: 'Subject', value: subject, placeholder };
  const main = html`<h1>Audit</h1>
<p class="lead">What operators did, here and on the command line, newest first.</p>
${searchForm(`${settings.basePath}/audit`, search)}
${rows.length === 0 ? empty('Nothing recorded.') : table('Audit', ['When', 'Who', 'Action', 'Subject', 'Why'], rows)}
${
  rows.length === maxRecords
    ? html`<p class="hint">The newest ${maxRecords}; <code>pg-herald audit</code> has more.</p>`
    : ''
}`;
  return page(c, services, { title: 'Audit', section: 'audit', main });
}

function auditRow(base: string, { at, actor, databaseUser, action, subject, why, detail }: AuditRecord): Html {
  const isMessage = subject !== null && isUuid(subject) && !action.startsWith('endpoints');
  const target = isMessage ? html`<a href="${base}/messages/${subject}"><code>${subject}</code></a>` : (subject ?? '');
  const more = Object.entries(detail ?? {}).map(([name, value]) => `${name} ${String(value)}`);
  return html`<tr><td class="first">${time(at)}</td>
<td class="cut" data-label="Who">${actor} <span class="reason">as ${databaseUser}</span></td>
<td data-label="Action">${action}</td>
<td class="cut" data-label="Subject">${target} <span class="reason">${more.join(', ')}</span></td>
<td class="cut" data-label="Why">${why ?? ''}</td></tr>`;
}
