/** Whether messages are being sent, and if not, why. Methods are paused and resumed here. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { recordAudit } from '../../operate/audit.ts';
import { type PauseState, pauseMethod, resumeMethod } from '../../operate/pause.ts';
import { searchMessages } from '../../operate/search.ts';
import type { SenderState } from '../../operate/senders.ts';
import type { MethodStatus, Status } from '../../operate/status.ts';
import { meaningOf } from '../../operate/reason-text.ts';
import { chart } from '../chart.ts';
import { leaveNote } from '../cookies.ts';
import {
  actionForm,
  count,
  disclosure,
  duration,
  empty,
  hiddenHeading,
  type Html,
  numberHeading,
  plural,
  table,
  time,
} from '../elements.ts';
import { formOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';
import { messageTable } from './message-table.ts';

/** Adds the overview and the actions that pause and resume. */
export function addOverview(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/', (c) => overviewPage(c, services));
  app.post('/methods/:method/pause', (c) => pause(c, services, c.req.param('method')));
  app.post('/methods/:method/resume', (c) => resume(c, services, c.req.param('method')));
}

async function overviewPage(c: PageContext, services: Services): Promise<Response> {
  const [status, hour, day] = await Promise.all([
    services.status.get(),
    services.lastHour.get(),
    services.lastDay.get(),
  ]);
  const now = new Date();
  const main = html`<h1>Overview</h1>
<section id="flow" data-live="overview messages">${flow(c, services, status)}</section>
<section id="charts" class="charts" data-live="overview messages" aria-label="Activity">
${chart(hour, { title: 'Last hour, by minute', span: { periods: 60, periodSeconds: 60 }, now })}
${chart(day, { title: 'Last day, by half hour', span: { periods: 48, periodSeconds: 1800 }, now })}
</section>
<section id="failures" data-live="overview messages"><h2>Latest failures</h2>
${await latestFailures(services)}
</section>`;
  return page(c, services, { title: 'Overview', section: 'overview', main });
}

const nameOf = (method: string) => (method === '*' ? 'Everything' : method);

async function pause(c: PageContext, services: Services, method: string): Promise<Response> {
  const why = (await formOf(c))('why')?.slice(0, 300);
  if (why === undefined) return refusal(c, services, 'Give a reason, so that others know why it is paused.');
  if (!(await pauseMethod(services.pool, { method, by: c.get('operator').name, why }))) return c.notFound();
  return finishAction(c, services, {
    audit: { action: 'pause', subject: method, why },
    note: `${nameOf(method)} is paused. New messages wait; nothing is lost.`,
    to: '/',
  });
}

async function resume(c: PageContext, services: Services, method: string): Promise<Response> {
  const { pool, settings } = services;
  const resumed = await resumeMethod(pool, { method });
  for (const subject of resumed) await recordAudit(pool, { actor: c.get('operator').name, action: 'resume', subject });
  leaveNote(c, services, resumed.length > 0 ? `${resumed.map(nameOf).join(', ')} resumed.` : 'Nothing was paused.');
  return c.redirect(`${settings.basePath}/`, 303);
}

async function latestFailures(services: Services): Promise<Html> {
  const failures = await searchMessages(services.pool, { status: 'failed' }, { limit: 8 });
  if (failures.lines.length === 0) return empty('No message has failed.');
  return html`${await messageTable(services, 'Latest failures', failures.lines)}
<p><a href="${services.settings.basePath}/messages?status=failed">All failed messages</a></p>`;
}

const methodHeadings = [
  ...['Method', 'State'],
  ...['Sent, 1 h', 'Failed, 1 h', 'Pending', 'Sending', 'Held', 'Longest wait'].map(numberHeading),
  hiddenHeading('Actions'),
];

function flow(c: PageContext, services: Services, status: Status | null): Html {
  if (status === null) return html`<p class="summary wait">Counting messages…</p>`;
  const everything = status.pauses.find((state) => state.method === '*');
  const rows = status.methods.map((method) => {
    const pauseState = status.pauses.find((state) => state.method === method.method);
    return methodRow(c, services, { method, pauseState });
  });
  const pauseAll = disclosure('Pause everything…', pauseForm(c, services, '*'));
  const mayPauseAll = !everything && !c.get('operator').readOnly && rows.length > 1;
  return html`${summary(status)}
${everything ? html`<div class="paused"><p>${pauseText(everything)}</p>${resumeForm(c, services, '*')}</div>` : ''}
${table('Delivery methods', methodHeadings, rows)}
${rows.length === 0 ? empty('No delivery methods; run "pg-herald migrate".') : ''}
${mayPauseAll ? pauseAll : ''}
${status.senders.length === 0 ? '' : senderTable(status.senders)}`;
}

/** A message that has been due for longer is late, in seconds. */
const lateSeconds = 300;

/** What is wrong, or that nothing is. */
function summary({ methods, pauses, senders, workers, readOnly }: Status): Html {
  const line = (style: 'good' | 'warn' | 'bad', text: string | Html) => html`<p class="summary ${style}">${text}</p>`;
  if (readOnly !== null) {
    const standby = readOnly === 'standby' ? ', a standby' : '';
    return line('bad', `The database is read-only${standby}: nothing is delivered until it takes changes again.`);
  }
  const problems = problemsOf({ methods, pauses, senders });
  const start = html`Start one with <code>pg-herald worker</code>.`;
  if (workers === 0) return line('bad', html`No worker is connected: nothing is delivered. ${start} ${problems}`);
  const connected = `${plural(workers, 'worker')} connected.`;
  return problems === ''
    ? line('good', `Messages are being sent. ${connected}`)
    : line('warn', `${problems} ${connected}`);
}

function problemsOf({ methods, pauses, senders }: Pick<Status, 'methods' | 'pauses' | 'senders'>): string {
  const paused = pauses.map((state) => (state.method === '*' ? 'everything' : state.method));
  const late = methods
    .filter(({ method, oldestDueSeconds }) => oldestDueSeconds > lateSeconds && !paused.includes(method))
    .map(({ method, oldestDueSeconds }) => `${method} by ${duration(oldestDueSeconds)}`);
  const pausedSenders = senders
    .filter(({ pausedSince }) => pausedSince !== null)
    .map(({ method, name }) => `${name} (${method})`);
  const unserved = methods.filter((one) => one.unserved && one.pending > 0).map(({ method }) => method);
  const list = (label: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${label}: ${names.join(', ')}.`];
  return [
    ...list('Paused', paused),
    ...list('Without a worker that delivers it', unserved),
    ...list('Late', late),
    ...list('Paused senders', pausedSenders),
  ].join(' ');
}

/** Senders that are paused, and senders whose server allows fewer connections than configured. */
function senderTable(senders: readonly SenderState[]): Html {
  const rows = senders.map(
    (sender) => html`<tr>
<th scope="row">${sender.name}</th><td data-label="Method">${sender.method}</td>
<td data-label="State">${senderState(sender)}</td>
<td data-label="Connections">${
      sender.maxConnections === null
        ? html`<span class="none">as configured</span>`
        : `${plural(sender.maxConnections, 'connection')} per worker, limited by its server`
    }</td></tr>`,
  );
  return html`<h2>Senders that need attention</h2>
${table('Senders', ['Sender', 'Method', 'State', 'Connections'], rows)}`;
}

function senderState({ pausedSince, reason, detail, probeAt }: SenderState): Html {
  if (pausedSince === null) return html`<span class="status sent">in use</span>`;
  const cause = [reason === null ? '' : meaningOf(reason), detail].filter(Boolean).join(', ');
  const probe = probeAt ? html`; tried again at ${time(probeAt)}` : '';
  return html`<span class="status held">paused</span>
<span class="reason">since ${time(pausedSince)}: ${cause}${probe}</span>`;
}

interface MethodLine {
  readonly method: MethodStatus;
  readonly pauseState: PauseState | undefined;
}

function methodRow(c: PageContext, services: Services, { method, pauseState }: MethodLine): Html {
  const name = method.method;
  const zero = html`<span class="none">0</span>`;
  const path = `${services.settings.basePath}/messages?method=${name}`;
  const link = (status: string, n: number) =>
    n === 0 ? zero : html`<a href="${path}&amp;status=${status}">${count(n)}</a>`;
  const number = (label: string, value: Html | string, bad = false) =>
    html`<td class="num stat${bad ? ' bad' : ''}" data-label="${label}">${value}</td>`;
  const due = method.oldestDueSeconds;
  return html`<tr>
<th scope="row">${name}</th>
<td data-label="State">${stateOf(method, pauseState)}</td>
${number('Sent, 1 h', method.sentLastHour === 0 ? zero : count(method.sentLastHour))}
${number('Failed, 1 h', link('failed', method.failedLastHour), method.failedLastHour > 0)}
${number('Pending', html`${link('pending', method.pending)}${quietNote(method)}`)}
${number('Sending', link('sending', method.sending))}
${number('Held', link('held', method.held))}
${number('Longest wait', due < 1 ? html`<span class="none">none</span>` : duration(due), due > lateSeconds)}
<td class="do">${methodAction(c, services, { name, isPaused: pauseState !== undefined })}</td>
</tr>`;
}

function quietNote({ quiet }: MethodStatus): Html | string {
  return quiet === 0 ? '' : html` <span class="reason">${count(quiet)} until quiet hours end</span>`;
}

function methodAction(
  c: PageContext,
  services: Services,
  { name, isPaused }: { readonly name: string; readonly isPaused: boolean },
): Html | '' {
  if (c.get('operator').readOnly) return '';
  if (isPaused) return resumeForm(c, services, name);
  return disclosure(html`Pause…<span class="hide"> ${name}</span>`, pauseForm(c, services, name));
}

function stateOf(method: MethodStatus, pauseState: PauseState | undefined): Html {
  if (pauseState)
    return html`<span class="status held">paused</span> <span class="reason">${pauseText(pauseState)}</span>`;
  if (!method.enabled) return html`<span class="status cancelled">disabled</span>`;
  const title = 'No connected worker delivers it';
  return method.unserved
    ? html`<span class="status held" title="${title}">no worker</span>`
    : html`<span class="status sent">in use</span>`;
}

function pauseText({ kind, by, since, reason, detail, probeAt }: PauseState): Html {
  const words = [reason?.replaceAll('_', ' '), detail].filter(Boolean).join(': ');
  if (kind === 'operator') return html`since ${time(since)} by ${by ?? 'an operator'}${words ? `: ${words}` : ''}`;
  const probe = probeAt ? html`; tried again at ${time(probeAt)}` : '';
  return html`since ${time(since)}, after an error (${words})${probe}`;
}

function pauseForm(c: PageContext, services: Services, method: string): Html {
  const id = `why-${method === '*' ? 'all' : method}`;
  const fields = html`<label for="${id}">Why</label>
<input id="${id}" name="why" required maxlength="300" placeholder="The relay is being moved">
<button>Pause ${method === '*' ? 'everything' : method}</button>`;
  return actionForm(c, `${services.settings.basePath}/methods/${method}/pause`, fields, 'inline');
}

function resumeForm(c: PageContext, services: Services, method: string): Html | '' {
  if (c.get('operator').readOnly) return '';
  const name = method === '*' ? ' everything' : html`<span class="hide"> ${method}</span>`;
  const fields = html`<button class="primary small">Resume${name}</button>`;
  return actionForm(c, `${services.settings.basePath}/methods/${method}/resume`, fields);
}
