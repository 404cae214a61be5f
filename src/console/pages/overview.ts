/** Whether messages are being sent, and if not, why. Methods are paused and resumed here. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { recordAudit } from '../../operate/audit.ts';
import { type PauseState, pauseMethod, resumeMethod } from '../../operate/pause.ts';
import { searchMessages } from '../../operate/search.ts';
import type { SenderState } from '../../operate/senders.ts';
import type { MethodStatus, Status } from '../../operate/status.ts';
import { meaningOf } from '../../operate/why.ts';
import { chart } from '../chart.ts';
import { leaveNote } from '../cookies.ts';
import { formOf } from '../input.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { age, count, empty, formToken, type Html, page, plural, table, time } from '../view.ts';
import { refusal } from './failure.ts';
import { messageRow, messageTable } from './message-table.ts';

export function addOverview(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/', async (c) => {
    const [status, hour, day, failures] = await Promise.all([
      services.status.get(),
      services.lastHour.get(),
      services.lastDay.get(),
      searchMessages(services.pool, { status: 'failed' }, { limit: 8 }),
    ]);
    const now = new Date();
    const main = html`<h1>Overview</h1>
<section id="flow" data-live="overview messages">${flow(c, services, status)}</section>
<section id="charts" class="charts" data-live="overview messages" aria-label="Activity">
${chart(hour, { title: 'Last hour, by minute', span: { periods: 60, periodSeconds: 60 }, now })}
${chart(day, { title: 'Last day, by half hour', span: { periods: 48, periodSeconds: 1800 }, now })}
</section>
<section id="failures" data-live="overview messages"><h2>Latest failures</h2>
${
  failures.lines.length === 0
    ? empty('No message has failed.')
    : html`${messageTable(
        'Latest failures',
        failures.lines.map((line) => messageRow(services, line)),
      )}<p><a href="${services.settings.basePath}/messages?status=failed">All failed messages</a></p>`
}
</section>`;
    return page(c, services, { title: 'Overview', section: 'overview', main });
  });
  addPauses(app, services);
}

function addPauses(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  const nameOf = (method: string) => (method === '*' ? 'Everything' : method);

  app.post('/methods/:method/pause', async (c) => {
    const method = c.req.param('method');
    const why = (await formOf(c))('why')?.slice(0, 300);
    if (why === undefined) return refusal(c, services, 'Give a reason, so that others know why it is paused.');
    const by = c.get('operator').name;
    if (!(await pauseMethod(pool, { method, by, why }))) return c.notFound();
    await recordAudit(pool, { actor: by, action: 'pause', subject: method, why });
    leaveNote(c, services, `${nameOf(method)} is paused. New messages wait; nothing is lost.`);
    return c.redirect(`${settings.basePath}/`, 303);
  });

  app.post('/methods/:method/resume', async (c) => {
    const resumed = await resumeMethod(pool, { method: c.req.param('method') });
    for (const subject of resumed)
      await recordAudit(pool, { actor: c.get('operator').name, action: 'resume', subject });
    leaveNote(c, services, resumed.length > 0 ? `${resumed.map(nameOf).join(', ')} resumed.` : 'Nothing was paused.');
    return c.redirect(`${settings.basePath}/`, 303);
  });
}

function flow(c: PageContext, services: Services, status: Status | null): Html {
  if (status === null) return html`<p class="summary wait">Counting messages…</p>`;
  const everything = status.pauses.find((state) => state.method === '*');
  return html`${summary(status)}
${everything ? html`<div class="paused"><p>${pauseText(everything)}</p>${resumeForm(c, services, '*')}</div>` : ''}
${table(
  'Delivery methods',
  [
    'Method',
    'State',
    num('Sent, 1 h'),
    num('Failed, 1 h'),
    num('Pending'),
    num('Sending'),
    num('Held'),
    num('Oldest due'),
    hidden('Actions'),
  ],
  status.methods.map((method) =>
    methodRow(c, services, { method, pause: status.pauses.find((s) => s.method === method.method) }),
  ),
)}
${status.methods.length === 0 ? empty('No delivery methods; run "pg-herald migrate".') : ''}
${everything || c.get('operator').readOnly || status.methods.length < 2 ? '' : html`<details class="act"><summary>Pause everything…</summary>${pauseForm(c, services, '*')}</details>`}
${status.senders.length === 0 ? '' : senderTable(status.senders)}`;
}

/** A message that has been due for longer is late, in seconds. */
const lateSeconds = 300;

/** What is wrong, or that nothing is. */
function summary({ methods, pauses, senders, workers, readOnly }: Status): Html {
  if (readOnly !== null)
    return html`<p class="summary bad">The database is read-only${readOnly === 'standby' ? ', a standby' : ''}: nothing is delivered until it takes changes again.</p>`;
  const paused = pauses.map((state) => (state.method === '*' ? 'everything' : state.method));
  const late = methods.filter(
    ({ method, oldestDueSeconds }) => oldestDueSeconds > lateSeconds && !paused.includes(method),
  );
  const pausedSenders = senders.filter((sender) => sender.pausedSince !== null);
  const lines = [
    ...(paused.length > 0 ? [`Paused: ${paused.join(', ')}.`] : []),
    ...(late.length > 0 ? [`Behind: ${late.map((m) => `${m.method} by ${age(m.oldestDueSeconds)}`).join(', ')}.`] : []),
    ...(pausedSenders.length > 0
      ? [`Paused senders: ${pausedSenders.map(({ method, name }) => `${name} (${method})`).join(', ')}.`]
      : []),
  ].join(' ');
  if (workers === 0)
    return html`<p class="summary bad">No worker is connected: nothing is delivered. Start one with <code>pg-herald worker</code>. ${lines}</p>`;
  const connected = `${plural(workers, 'worker')} connected.`;
  return lines === ''
    ? html`<p class="summary good">Messages are being sent. ${connected}</p>`
    : html`<p class="summary warn">${lines} ${connected}</p>`;
}

/** Senders that are paused, and senders whose server allows fewer connections than configured. */
function senderTable(senders: readonly SenderState[]): Html {
  const rows = senders.map(
    ({ method, name, pausedSince, reason, detail, probeAt, maxConnections }) => html`<tr>
<th scope="row">${name}</th><td data-label="Method">${method}</td>
<td data-label="State">${
      pausedSince === null
        ? html`<span class="status sent">in use</span>`
        : html`<span class="status held">paused</span> <span class="reason">since ${time(pausedSince)}: ${[reason === null ? '' : meaningOf(reason), detail].filter(Boolean).join(', ')}${probeAt ? html`; next probe at ${time(probeAt)}` : ''}</span>`
    }</td>
<td data-label="Connections">${maxConnections === null ? html`<span class="none">as configured</span>` : `${plural(maxConnections, 'connection')} per worker, limited by its server`}</td></tr>`,
  );
  return html`<h2>Senders that need attention</h2>${table('Senders', ['Sender', 'Method', 'State', 'Connections'], rows)}`;
}

const zero = html`<span class="none">0</span>`;

function methodRow(
  c: PageContext,
  services: Services,
  { method, pause }: { readonly method: MethodStatus; readonly pause: PauseState | undefined },
): Html {
  const link = (status: string, n: number) =>
    n === 0
      ? zero
      : html`<a href="${services.settings.basePath}/messages?method=${method.method}&amp;status=${status}">${count(n)}</a>`;
  const late = method.oldestDueSeconds > lateSeconds;
  return html`<tr>
<th scope="row">${method.method}</th>
<td data-label="State">${stateOf(method, pause)}</td>
<td class="num stat" data-label="Sent, 1 h">${method.sentLastHour === 0 ? zero : count(method.sentLastHour)}</td>
<td class="num stat${method.failedLastHour > 0 ? ' bad' : ''}" data-label="Failed, 1 h">${link('failed', method.failedLastHour)}</td>
<td class="num stat" data-label="Pending">${link('pending', method.pending)}</td>
<td class="num stat" data-label="Sending">${link('sending', method.sending)}</td>
<td class="num stat" data-label="Held">${link('held', method.held)}</td>
<td class="num stat${late ? ' bad' : ''}" data-label="Oldest due">${method.oldestDueSeconds < 1 ? html`<span class="none">none</span>` : age(method.oldestDueSeconds)}</td>
<td class="do">${c.get('operator').readOnly ? '' : pause ? resumeForm(c, services, method.method) : html`<details class="act"><summary aria-label="Pause ${method.method}">Pause…</summary>${pauseForm(c, services, method.method)}</details>`}</td>
</tr>`;
}

function stateOf(method: MethodStatus, pause: PauseState | undefined): Html {
  if (pause) return html`<span class="status held">paused</span> <span class="reason">${pauseText(pause)}</span>`;
  if (!method.enabled) return html`<span class="status cancelled">disabled</span>`;
  return html`<span class="status sent">in use</span>`;
}

function pauseText({ kind, by, since, reason, detail, probeAt }: PauseState): Html {
  const words = [reason?.replaceAll('_', ' '), detail].filter(Boolean).join(': ');
  return kind === 'operator'
    ? html`since ${time(since)} by ${by ?? 'an operator'}${words ? `: ${words}` : ''}`
    : html`since ${time(since)}, after an error (${words})${probeAt ? html`; next probe ${time(probeAt)}` : ''}`;
}

function pauseForm(c: PageContext, services: Services, method: string): Html {
  const id = `why-${method === '*' ? 'all' : method}`;
  return html`<form method="post" action="${services.settings.basePath}/methods/${method}/pause" class="inline">${formToken(c)}
<label for="${id}">Why</label><input id="${id}" name="why" required maxlength="300" placeholder="The relay is being moved"><button>Pause ${method === '*' ? 'everything' : method}</button></form>`;
}

function resumeForm(c: PageContext, services: Services, method: string): Html {
  if (c.get('operator').readOnly) return html``;
  return html`<form method="post" action="${services.settings.basePath}/methods/${method}/resume">${formToken(c)}<button class="primary small">Resume${method === '*' ? ' everything' : html`<span class="hide"> ${method}</span>`}</button></form>`;
}

const num = (label: string) => html`<th scope="col" class="num">${label}</th>`;
const hidden = (label: string) => html`<th scope="col"><span class="hide">${label}</span></th>`;
