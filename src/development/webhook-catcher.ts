/** A web server on this machine that accepts and stores every call. */
import { createServer, type IncomingMessage } from 'node:http';
import { type CaptureStore, messageIdIn, type NewCapture } from './capture-store.ts';
import { listenOrElse } from './listen.ts';
import type { Catcher } from './mail-catcher.ts';

/** Carries the format and message id of a chat post, whose body does not identify its message. Not stored. */
export const captureHeader = 'x-pg-herald-capture';

/** Size of a call's body, in bytes. */
const maxBytes = 10_000_000;

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** What each service answers to an accepted post. Anything else gets 204. */
const answers = new Map<string, Answer>([
  ['slack', { status: 200, body: 'ok' }],
  ['teams', { status: 202, body: '' }],
  ['discord', { status: 200, body: '{}' }],
  ['pagerduty', { status: 202, body: '{}' }],
  ['ntfy', { status: 200, body: '{}' }],
]);

/** Starts on a free port of 127.0.0.1. */
export async function startWebhookCatcher(captured: CaptureStore): Promise<Catcher & { readonly url: string }> {
  const server = createServer();
  const port = await listenOrElse(server, 0);
  const host = `127.0.0.1:${port}`;
  server.on('request', (request, response) => {
    answer(request, { captured, host }).then(
      ({ status, body }) => response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(body),
      () => response.destroy(),
    );
  });
  return {
    port,
    url: `http://${host}/`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  { captured, host }: { readonly captured: CaptureStore; readonly host: string },
): Promise<Answer> {
  const refusal = refusalOf(request, host);
  if (refusal !== null) {
    request.resume();
    return refusal;
  }
  const raw = await captured.read(request, maxBytes);
  if (raw === null) return { status: 413, body: `more than ${maxBytes} bytes` };
  await captured.add(captureOf(request, raw));
  return answers.get(formatOf(request)) ?? { status: 204, body: '' };
}

/**
 * A page in a browser on this machine can call every port of it. Its calls name their origin; and if it lets its own
 * name point at this machine, the host that they ask for is not ours.
 */
function refusalOf({ headers }: IncomingMessage, host: string): Answer | null {
  if (headers.host !== host) return { status: 421, body: `this is ${host}` };
  const site = headers['sec-fetch-site'] ?? 'none';
  const isForeign = headers.origin !== undefined && headers.origin !== `http://${host}`;
  if (isForeign || !['none', 'same-origin'].includes(String(site)))
    return { status: 403, body: 'calls from web pages are refused' };
  return null;
}

const formatOf = ({ headers }: IncomingMessage) => String(headers[captureHeader] ?? '').split(' ')[0] ?? '';

function captureOf(
  { method = '', url = '', httpVersion, headers, rawHeaders }: IncomingMessage,
  body: Buffer,
): NewCapture {
  const lines = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 && name.toLowerCase() !== captureHeader ? [`${name}: ${rawHeaders[index + 1]}`] : [],
  );
  const head = [`${method} ${url} HTTP/${httpVersion}`, ...lines, '', ''].join('\n');
  return {
    kind: 'webhook',
    messageId: messageIdIn(String(headers['webhook-id'] ?? headers[captureHeader] ?? '')),
    to: `http://${headers.host}${url}`,
    title: titleOf(body.toString('utf8')),
    raw: Buffer.concat([Buffer.from(head), body]),
  };
}

/** Where payloads have their title: our own, Discord, Teams, PagerDuty, ntfy, Slack. */
const titles = [
  'data.title',
  'embeds.0.title',
  'attachments.0.content.fallbackText',
  'payload.summary',
  'title',
  'text',
];

/** The title of a payload, or else the beginning of the body. */
function titleOf(body: string): string {
  const value = parsed(body);
  const texts = [...titles, 'type'].map((path) => path.split('.').reduce(memberOf, value));
  const title = texts.find((text) => typeof text === 'string' && text !== '');
  return (typeof title === 'string' ? title.split('\n')[0] : body.slice(0, 80)) || '(no body)';
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined;
}

/** Undefined if it is not JSON; such calls are stored as well. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
