/** One message: what happened to it, what it looks like, and what can be done about it. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { AttemptRecord, MessageDetails } from '../../operate/messages.ts';
import { explain } from '../../operate/why.ts';
import { type LoadedMessage, loadMessage, renderMessage } from '../rendering.ts';
import { frameHeaders } from '../security.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { count, empty, formToken, type Html, page, plural, prose, statusBadge, table, time } from '../view.ts';
import { emailDocument } from './email-frame.ts';
import { contentOf } from './message-content.ts';

export function addMessage(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool } = services;
  app.get('/messages/:id', async (c) => {
    const id = c.req.param('id');
    const loaded = await loadMessage(pool, id);
    if (loaded === null) return c.notFound();
    const { message } = loaded;
    const rendered = renderMessage(services, loaded);
    const title = 'problem' in rendered ? message.template : rendered.delivery.content.title;
    const main = html`<p class="crumbs"><a href="${services.settings.basePath}/messages">Messages</a></p>
<h1>${title}</h1>
<section id="state" data-live="message overview">${state(message)}</section>
<section id="actions" data-live="message" aria-label="Actions">${actions(c, services, loaded)}</section>
<div class="columns">
<section id="story" data-live="message"><h2>Timeline</h2>${timeline(message)}${attempts(message)}</section>
<section><h2>Facts</h2>${facts(services, loaded)}</section>
</div>
<section id="content"><h2>Content</h2>${await contentOf(c, services, { ...loaded, rendered })}</section>`;
    return page(c, services, { title, section: 'messages', main, watch: [id] });
  });

  app.get('/messages/:id/frame', frameHeaders, async (c) => {
    const loaded = await loadMessage(pool, c.req.param('id'));
    return loaded === null ? c.notFound() : emailDocument(c, renderMessage(services, loaded));
  });
}

function state(message: MessageDetails): Html {
  const { verdict: summary, remedy } = explain(message, new Date());
  return html`<p class="lead">${statusBadge(message.status)} ${prose(summary)}</p>
${remedy === null ? '' : html`<p class="remedy"><strong>What to do</strong> ${prose(remedy)}</p>`}`;
}

function actions(c: PageContext, { settings }: Services, { message, source }: LoadedMessage): Html {
  if (c.get('operator').readOnly) return html``;
  const { status, id, method } = message;
  const buttons = [
    ...(['failed', 'expired', 'inhibited'].includes(status) ? [['retry', 'Retry', 'primary']] : []),
    ...(status === 'held' ? [['release', 'Release', 'primary']] : []),
    ...(status === 'pending' ? [['hold', 'Hold', '']] : []),
    ...(['pending', 'held'].includes(status) ? [['cancel', 'Cancel', '']] : []),
    ...(source.address === null ? [] : [['suppress', `Suppress ${method} to ${source.address}`, 'danger']]),
  ] as const;
  if (buttons.length === 0) return html``;
  return html`<form method="post" class="inline">${formToken(c)}
<label for="why">Why</label><input id="why" name="why" maxlength="300" autocomplete="off" placeholder="recorded in the audit">
${buttons.map(([action, label, kind]) => html`<button class="${kind}" formaction="${settings.basePath}/messages/${id}/${action}">${label}</button>`)}
</form>`;
}

function timeline(message: MessageDetails): Html {
  const { timeline: events } = explain(message, new Date());
  return html`<ol class="timeline">${events.map((event) => html`<li>${time(event.at)} <span>${event.what}</span></li>`)}</ol>`;
}

function attempts({ attemptRecords }: MessageDetails): Html {
  if (attemptRecords.length === 0) return html`<h2>Attempts</h2>${empty('Not tried yet.')}`;
  const rows = attemptRecords.map(
    (one) => html`<tr>
<th scope="row" class="num" data-label="Attempt">${one.number}</th><td data-label="Started">${time(one.startedAt)}<br><span class="reason">${one.worker}</span></td>
<td data-label="Outcome">${statusBadge(one.outcome, one.reason)}${one.counted ? '' : html` <span class="none">not counted</span>`}</td>
<td class="reply" data-label="Reply">${replyOf(one)}</td>
<td class="num" data-label="Took">${count(one.finishedAt.getTime() - one.startedAt.getTime())} ms</td></tr>`,
  );
  const headings = [
    html`<th scope="col" class="num">No.</th>`,
    'Started, by',
    'Outcome',
    'Reply',
    html`<th scope="col" class="num">Took</th>`,
  ];
  return html`<h2>Attempts</h2>${table('Attempts', headings, rows)}`;
}

/** Most replies begin with their codes; those that do not get them added. */
function replyOf({ replyCode, replyEnhanced, replyText, detail }: AttemptRecord): string {
  const text = replyText ?? detail ?? '';
  const codes = [replyCode, replyEnhanced].filter((code) => code !== null && !text.includes(code));
  return [...codes, text].join(' ');
}

function facts({ settings }: Services, { message, source }: LoadedMessage): Html {
  const base = settings.basePath;
  const { recipient } = message;
  const link = (path: string, text: string) => html`<a href="${base}${path}">${text}</a>`;
  const rows: readonly (readonly [string, Html | string | null])[] = [
    ['Recipient', link(`/recipients?id=${encodeURIComponent(message.recipientId)}`, message.recipientId)],
    ['Name', recipient.name ?? null],
    ['Address', source.address ?? recipient.email ?? null],
    ['Locale', [recipient.locale, recipient.timeZone].filter(Boolean).join(', ') || null],
    [
      'Template',
      html`${link(`/templates/${encodeURIComponent(message.template)}`, message.template)} version ${message.version}, ${message.group}`,
    ],
    ['Method', message.method],
    [
      'Endpoint',
      source.endpointId === null
        ? null
        : html`<a href="${base}/endpoints#e-${source.endpointId}"><code>${source.endpointId}</code></a>`,
    ],
    [
      'About',
      message.targets.length === 0
        ? null
        : html`${message.targets.map((target) => html`${link(`/messages?target=${encodeURIComponent(target)}`, target)} `)}`,
    ],
    ['Dedupe key', message.dedupeKey],
    ['Tenant', message.tenant],
    ['Group key', message.groupKey],
    ['Enqueued by', message.createdBy],
    ['Created', time(message.createdAt)],
    ['Not before', message.sendAt === null ? null : time(message.sendAt)],
    ['Expires', message.expiresAt === null ? null : time(message.expiresAt)],
    ['Settled', message.settledAt === null ? null : time(message.settledAt)],
    [
      'Attempts',
      `${message.attempts}, ${message.counted} counted${message.maxAttempts === null ? '' : ` of ${message.maxAttempts}`}`,
    ],
    ['When unknown', message.unknown === 'hold' ? 'hold for an operator' : 'send again'],
    ['Job', message.job === null ? 'none' : html`${message.job.state}, start after ${time(message.job.startAfter)}`],
    [
      'Files',
      source.attachments.length === 0
        ? null
        : source.attachments
            .map((file) => `${file.name} (${file.contentType}, ${plural(file.bytes, 'byte')})`)
            .join(', '),
    ],
    ['Message', html`<code>${message.id}</code>`],
    ['Notification', html`<code>${message.notificationId}</code>`],
  ];
  return html`<dl class="facts">${rows
    .filter(([, value]) => value !== null)
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
