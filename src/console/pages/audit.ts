/** What operators did, in the console and on the command line. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type AuditRecord, listAudit } from '../../operate/audit.ts';
import { cleaned, isId } from '../input.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { empty, type Html, page, table, time } from '../view.ts';

const maxRecords = 200;

export function addAudit(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  app.get('/audit', async (c) => {
    const subject = cleaned(c.req.query('subject'));
    const records = await listAudit(pool, { subject, limit: maxRecords });
    const rows = records.map((record) => auditRow(settings.basePath, record));
    const main = html`<h1>Audit</h1><p class="lead">What operators did, here and on the command line, newest first.</p>
<form class="search" method="get" action="${settings.basePath}/audit" role="search"><div class="field grow"><label for="subject">Subject</label><input id="subject" name="subject" type="search" value="${subject ?? ''}" placeholder="message, method, template or endpoint" autocomplete="off" spellcheck="false" data-shortcut="/"></div><button class="primary">Search</button></form>
${rows.length === 0 ? empty('Nothing recorded.') : table('Audit', ['When', 'Who', 'Action', 'Subject', 'Why'], rows)}
${rows.length === maxRecords ? html`<p class="hint">The newest ${maxRecords}; <code>pg-herald audit</code> has more.</p>` : ''}`;
    return page(c, services, { title: 'Audit', section: 'audit', main });
  });
}

function auditRow(base: string, { at, actor, action, subject, why, detail }: AuditRecord): Html {
  const target =
    subject === null
      ? ''
      : isId(subject) && !action.startsWith('endpoints')
        ? html`<a href="${base}/messages/${subject}"><code>${subject}</code></a>`
        : subject;
  const more =
    detail === null || detail === undefined
      ? []
      : Object.entries(detail).map(([name, value]) => `${name} ${String(value)}`);
  return html`<tr><td class="first">${time(at)}</td><td class="cut" data-label="Who">${actor}</td><td data-label="Action">${action}</td><td class="cut" data-label="Subject">${target} <span class="reason">${more.join(', ')}</span></td><td class="cut" data-label="Why">${why ?? ''}</td></tr>`;
}
