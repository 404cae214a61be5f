/** Emails and webhook calls that a development catcher captured: the list, and each one opened. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { parseEmail, type ParsedEmail, withImages } from '../captured-email.ts';
import { count, empty, type Html, relativeTime, sourceText, table, tabs, time } from '../elements.ts';
import { page } from '../layout.ts';
import type { CapturedMessage, CapturedMessages } from '../options.ts';
import { inScheme } from '../rendering.ts';
import { frameHeaders } from '../security.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { emailFrame, schemeOf } from './email-frame.ts';

const maxListed = 200;

/** Adds the pages of what was captured, if there is a catcher. */
export function addCaptured(app: Hono<ConsoleEnv>, services: Services): void {
  const { captured } = services.settings;
  if (captured === null) return;
  const find = async (id: string) => (await captured.list()).find((one) => one.id === id) ?? null;
  app.get('/captured', (c) => listPage(c, services, captured));
  app.get('/captured/:id', async (c) => {
    const found = await find(c.req.param('id'));
    return found === null ? c.notFound() : capturedPage(c, services, found);
  });
  app.get('/captured/:id/frame', frameHeaders, async (c) => {
    const found = await find(c.req.param('id'));
    if (found === null) return c.notFound();
    const email = await parseEmail(found.raw);
    return c.html(inScheme(withImages(email.html ?? '', email.files), schemeOf(c)));
  });
  app.get('/captured/:id/files/:index', async (c) => {
    const found = await find(c.req.param('id'));
    const file = found && (await parseEmail(found.raw)).files[Number(c.req.param('index'))];
    if (!file) return c.notFound();
    return c.body(Uint8Array.from(file.content), 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.name.toWellFormed())}`,
    });
  });
}

async function listPage(c: PageContext, services: Services, captured: CapturedMessages): Promise<Response> {
  const list = (await captured.list()).slice(0, maxListed);
  const rows = list.map((one) => capturedRow(services.settings.basePath, one));
  const content =
    rows.length === 0
      ? empty('Nothing yet. What a worker sends appears here automatically.')
      : table('Captured', ['Title', 'Kind', 'To', 'Arrived', 'Message'], rows);
  const main = html`<h1>Captured</h1>
<p class="lead">Emails and webhook calls that were captured instead of leaving this machine.</p>
<section id="captured" data-live="captured">${content}</section>`;
  return page(c, services, { title: 'Captured', section: 'captured', main });
}

function capturedRow(base: string, { id, at, kind, to, title, messageId }: CapturedMessage): Html {
  const message =
    messageId === null
      ? html`<span class="none">sent by your application</span>`
      : html`<a href="${base}/messages/${messageId}">Message<span class="hide"> of ${title}</span></a>`;
  return html`<tr class="go"><th scope="row"><a href="${base}/captured/${id}">${title}</a></th>
<td data-label="Kind">${kind === 'mail' ? 'email' : 'webhook'}</td><td class="cut" data-label="To">${to}</td>
<td data-label="Arrived">${relativeTime(at)}</td>
<td data-label="Message">${message}</td></tr>`;
}

const emailViews = { html: 'HTML', text: 'Text', headers: 'Headers', files: 'Files', source: 'Source' } as const;
const callViews = { body: 'Body', headers: 'Headers', source: 'Source' } as const;
type View = keyof typeof emailViews | keyof typeof callViews;

async function capturedPage(c: PageContext, services: Services, captured: CapturedMessage): Promise<Response> {
  const path = `${services.settings.basePath}/captured/${captured.id}`;
  const views: Partial<Record<View, string>> = captured.kind === 'mail' ? emailViews : callViews;
  const names = Object.keys(views) as View[];
  const email = captured.kind === 'mail' ? await parseEmail(captured.raw) : null;
  const first = email !== null && email.html === null ? 'text' : (names[0] ?? 'source');
  const view = names.find((name) => name === c.req.query('view')) ?? first;
  const links = names.map((name) => ({
    label: name === 'files' ? `Files (${email?.files.length ?? 0})` : (views[name] ?? ''),
    href: `${path}?view=${name}#content`,
    current: name === view,
  }));
  const content = email === null ? callView(view, captured) : emailView(c, view, { path, captured, email });
  const main = html`<p class="crumbs"><a href="${services.settings.basePath}/captured">Captured</a></p>
<h1>${captured.title}</h1>
<p class="lead">${kindOf(captured)} to ${captured.to}, ${time(captured.at)}. ${messageLink(services, captured)}</p>
<section id="content">${tabs('Content', links)}${content}</section>`;
  return page(c, services, { title: captured.title, section: 'captured', main });
}

const kindOf = ({ kind }: CapturedMessage) => (kind === 'mail' ? 'Email' : 'Webhook call');

function messageLink({ settings }: Services, { messageId }: CapturedMessage): Html | '' {
  return messageId === null ? '' : html`<a href="${settings.basePath}/messages/${messageId}">Its message</a>`;
}

interface OpenedEmail {
  readonly path: string;
  readonly captured: CapturedMessage;
  readonly email: ParsedEmail;
}

function emailView(c: PageContext, view: View, { path, captured, email }: OpenedEmail): Html {
  switch (view) {
    case 'html':
      if (email.html === null) return empty('This email has no HTML.');
      return emailFrame(c, {
        source: `${path}/frame`,
        page: `${path}?view=html`,
        anchor: 'content',
        title: 'The captured email',
      });
    case 'text':
      return email.text === null ? empty('This email has no text.') : sourceText(email.text);
    case 'headers':
      return headerTable(email.headers);
    case 'files':
      return fileTable(path, email);
    default:
      return sourceText(textOf(captured));
  }
}

function headerTable(headers: ParsedEmail['headers']): Html {
  const rows = headers.map(
    ({ name, value }) => html`<tr><th scope="row">${name}</th><td class="value">${value}</td></tr>`,
  );
  return table('Headers', ['Field', 'Value'], rows);
}

function fileTable(path: string, { files }: ParsedEmail): Html {
  if (files.length === 0) return empty('This email has no files.');
  const rows = files.map(
    ({ name, type, content }, index) => html`<tr>
<th scope="row"><a href="${path}/files/${index}" download>${name}</a></th><td data-label="Type">${type}</td>
<td class="num" data-label="Bytes">${count(content.byteLength)}</td></tr>`,
  );
  return table('Files', ['File', 'Type', html`<th scope="col" class="num">Bytes</th>`], rows);
}

function callView(view: View, captured: CapturedMessage): Html {
  const source = textOf(captured);
  const end = source.indexOf('\n\n');
  const [head, body] = end === -1 ? [source, ''] : [source.slice(0, end), source.slice(end + 2)];
  if (view === 'source') return sourceText(source);
  if (view === 'body') return body === '' ? empty('This call has no body.') : sourceText(indented(body));
  return sourceText(head);
}

function indented(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

const textOf = ({ raw }: CapturedMessage) => Buffer.from(raw).toString('utf8');

/** What was captured of one message, each as it came over the wire, with a link to its parts. */
export function capturedSources(base: string, all: readonly CapturedMessage[]): Html {
  return html`${all.map(
    (one) =>
      html`<h3><a href="${base}/captured/${one.id}">${kindOf(one)}</a> to ${one.to},
${time(one.at)}</h3>${sourceText(textOf(one))}`,
  )}`;
}
