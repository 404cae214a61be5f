/** One message: what happened to it, what it looks like, and what can be done about it. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { AttemptRecord } from '../../operate/attempt-records.ts';
import type { MessageDetails } from '../../operate/messages.ts';
import { preferenceText } from '../../operate/preference-history.ts';
import { commands } from '../../operate/remedy.ts';
import type { MessageReport } from '../../operate/returns.ts';
import { explain } from '../../operate/why.ts';
import { count, empty, facts, type Html, numberHeading, plural, prose, statusBadge, table, time } from '../elements.ts';
import { page } from '../layout.ts';
import { type LoadedMessage, loadMessage, renderMessage } from '../rendering.ts';
import { frameHeaders } from '../security.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { buttons } from './buttons.ts';
import { emailDocument } from './email-frame.ts';
import { messageActions } from './message-actions.ts';
import { messageContent } from './message-content.ts';

/** Adds the page of one message. */
export function addMessage(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/messages/:id', (c) => messagePage(c, services, c.req.param('id')));
  app.get('/messages/:id/frame', frameHeaders, async (c) => {
    const loaded = await loadMessage(services, c.req.param('id'));
    return loaded === null ? c.notFound() : emailDocument(c, renderMessage(services, loaded));
  });
}

async function messagePage(c: PageContext, services: Services, id: string): Promise<Response> {
  const loaded = await loadMessage(services, id);
  if (loaded === null) return c.notFound();
  const { message } = loaded;
  const rendered = renderMessage(services, loaded);
  const title = 'problem' in rendered ? message.template : rendered.delivery.content.title;
  const main = html`<p class="crumbs"><a href="${services.settings.basePath}/messages">Messages</a></p>
<h1>${title}</h1>
<section id="state" data-live="message overview">${state(c, message)}</section>
<section id="actions" data-live="message" aria-label="Actions">${messageActions(c, services, loaded)}</section>
<div class="columns">
<section id="story" data-live="message"><h2>Timeline</h2>${timeline(message)}${attempts(message)}
${reports(message)}</section>
<section><h2>Facts</h2>${facts(messageFacts(services, loaded))}</section>
</div>
<section id="content"><h2>Content</h2>${await messageContent(c, services, { ...loaded, rendered })}</section>`;
  return page(c, services, { title, section: 'messages', main, watch: [id] });
}

function state(c: PageContext, message: MessageDetails): Html {
  const { summary, remedy } = explain(message, new Date(), c.get('operator').readOnly ? commands : buttons);
  const advice = remedy === null ? '' : html`<p class="remedy"><strong>What to do</strong> ${prose(remedy)}</p>`;
  return html`<p class="lead">${statusBadge(message.status)} ${prose(summary)}</p>
${advice}`;
}

function timeline(message: MessageDetails): Html {
  const events = explain(message, new Date()).timeline;
  return html`<ol class="timeline">${events.map(
    (event) => html`<li>${time(event.at)} <span>${event.what}</span></li>`,
  )}</ol>`;
}

function attempts({ attemptRecords }: MessageDetails): Html {
  if (attemptRecords.length === 0) return html`<h2>Attempts</h2>${empty('Not tried yet.')}`;
  const headings = [numberHeading('No.'), 'Started, by', 'Outcome', 'Reply', numberHeading('Took')];
  return html`<h2>Attempts</h2>${table('Attempts', headings, attemptRecords.map(attemptRow))}`;
}

/** What servers, providers and the recipient reported after the message was sent. */
function reports({ reports: all }: MessageDetails): Html | string {
  if (all.length === 0) return '';
  return html`<h2>Reports</h2>${table('Reports', ['Came', 'Kind', 'Status', 'Reply', 'From'], all.map(reportRow))}`;
}

function reportRow({ at, kind, statusCode, replyText, reporter, source }: MessageReport): Html {
  return html`<tr><th scope="row" data-label="Came">${time(at)}</th><td data-label="Kind">${kind}</td>
<td data-label="Status">${statusCode ?? ''}</td><td class="reply" data-label="Reply">${replyText ?? ''}</td>
<td data-label="From">${[reporter, source].filter(Boolean).join(', ')}</td></tr>`;
}

function attemptRow(one: AttemptRecord): Html {
  const milliseconds = one.finishedAt.getTime() - one.startedAt.getTime();
  return html`<tr><th scope="row" class="num" data-label="Attempt">${one.number}</th>
<td data-label="Started">${time(one.startedAt)}<br><span class="reason">${one.worker}</span></td>
<td data-label="Outcome">${statusBadge(one.outcome, one.reason)}${
    one.counted ? '' : html` <span class="none">not the message’s fault</span>`
  }</td>
<td class="reply" data-label="Reply">${replyOf(one)}</td>
<td class="num" data-label="Took">${count(milliseconds)} ms</td></tr>`;
}

/** Most replies begin with their codes; those that do not get them added. */
function replyOf({ replyCode, replyEnhanced, replyText, detail }: AttemptRecord): string {
  const text = replyText ?? detail ?? '';
  const codes = [replyCode, replyEnhanced].filter((code) => code !== null && !text.includes(code));
  return [...codes, text].join(' ');
}

type Fact = readonly [name: string, value: Html | string | null];

function messageFacts(services: Services, loaded: LoadedMessage): Fact[] {
  return [...addressFacts(services, loaded), ...originFacts(loaded), ...deliveryFacts(loaded)];
}

/** Whom and what it is about. */
function addressFacts({ settings }: Services, { message, source }: LoadedMessage): Fact[] {
  const { recipient, recipientId, template, version, group, targets } = message;
  const link = (path: string, text: string) => html`<a href="${settings.basePath}${path}">${text}</a>`;
  const about = targets.map((target) => html`${link(`/messages?target=${encodeURIComponent(target)}`, target)} `);
  const { endpointId, endpoint: name } = source;
  const endpoint = endpointId && (name === null ? `${endpointId}, deleted` : link(`/endpoints/${endpointId}`, name));
  return [
    ['Recipient', link(`/recipients?id=${encodeURIComponent(recipientId)}`, recipientId)],
    ['Name', recipient.name ?? null],
    ['Address', source.address ?? recipient.email ?? null],
    ['Locale', [recipient.locale, recipient.timeZone].filter(Boolean).join(', ') || null],
    ['Template', html`${link(`/templates/${encodeURIComponent(template)}`, template)} version ${version}, ${group}`],
    ['Method', message.method],
    ['Endpoint', endpoint],
    ['About', about.length === 0 ? null : html`${about}`],
  ];
}

/** Where it comes from. */
function originFacts({ message }: LoadedMessage): Fact[] {
  return [
    ['Sent once for', message.dedupeKey],
    ['Tenant', message.tenant],
    ['Belongs with', message.groupKey],
    ['Created by', message.createdBy],
  ];
}

/** When and how it is delivered. */
function deliveryFacts({ message, source, preference }: LoadedMessage): Fact[] {
  const { sendAt, expiresAt, settledAt, nextAttemptAt } = message;
  const files = source.attachments.map((file) => `${file.name} (${file.contentType}, ${plural(file.bytes, 'byte')})`);
  return [
    ['Created', time(message.createdAt)],
    ['Not before', sendAt === null ? null : time(sendAt)],
    ['Expires', expiresAt === null ? null : time(expiresAt)],
    ['Finished', settledAt === null ? null : time(settledAt)],
    ['Preference', preference && prose(preferenceText(preference))],
    ['Attempts', attemptsText(message)],
    ['Next attempt', nextAttemptAt === null ? null : time(nextAttemptAt)],
    [
      'When in doubt',
      message.unknown === 'hold' ? 'it waits for an operator' : 'it is sent again, so a second copy is possible',
    ],
    ['Files', files.join(', ') || null],
    ['Message', html`<code>${message.id}</code>`],
    ['Notification', html`<code>${message.notificationId}</code>`],
  ];
}

/** Attempts that failed through no fault of the message do not use up its limit. */
function attemptsText({ attempts, counted, maxAttempts }: MessageDetails): string {
  const limit = maxAttempts === null ? '' : ` of at most ${maxAttempts}`;
  const others = attempts - counted;
  if (others <= 0) return `${attempts}${limit}`;
  return `${counted}${limit}, and ${others} more that failed through no fault of the message`;
}
