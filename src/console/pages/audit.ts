/** What operators did. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type AuditRecord, listAudit } from '../../operate/audit.ts';
import { cleaned, isId } from '../input.ts';
import type { ConsoleEnv, Services } from '../services.ts';
import { empty, type Html, page, table, time } from '../view.ts';

const shown = 200;

export function addAudit(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  app.get('/audit', async (c) => {
    const subject = cleaned(c.req.query('subject'));
    const records = await listAudit(pool, { subject, limit: shown });
    const rows = records.map((record) => auditRow(settings.basePath, record));
    const main = html`<h1>Audit</h1><p class="lead">What operators did, here and by command, newest first.</p>
<form class="search" method="get" action="${settings.basePath}/audit" role="search"><div class="field grow"><label for="subject">Done to</label><input id="subject" name="subject" type="search" value="${subject ?? ''}" placeholder="message, method, template or endpoint" autocomplete="off" spellcheck="false" data-shortcut="/"></div><button class="primary">Search</button></form>
${rows.length === 0 ? empty('Nothing yet.') : table('Audit', ['When', 'Who', 'What', 'To', 'Why'], rows)}
${rows.length === shown ? html`<p class="hint">The newest ${shown}; <code>pg-herald audit</code> has more.</p>` : ''}`;
    return page(c, services, { title: 'Audit', section: 'audit', main });
  });
}

function auditRow(base: string, { at, actor, action, subject, why, detail }: AuditRecord): Html {
  const to =
    subject === null
      ? ''
      : isId(subject) && !action.startsWith('endpoints')
        ? html`<a href="${base}/messages/${subject}"><code>${subject}</code></a>`
        : subject;
  const more =
    detail === null || detail === undefined
      ? []
      : Object.entries(detail).map(([name, value]) => `${name} ${String(value)}`);
  return html`<tr><td class="first">${time(at)}</td><td class="cut" data-label="Who">${actor}</td><td data-label="What">${action}</td><td class="cut" data-label="To">${to} <span class="reason">${more.join(', ')}</span></td><td class="cut" data-label="Why">${why ?? ''}</td></tr>`;
}
