/** A web server on this machine that accepts and stores every call. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type CaptureStore, messageIdIn } from './capture-store.ts';
import type { Catcher } from './mail-catcher.ts';

/** Carries the format and message id of a chat post, whose body does not identify its message. Not stored. */
export const captureHeader = 'x-pg-herald-capture';

/** What each service answers to an accepted post. Anything else gets 204. */
const answers: Readonly<Record<string, readonly [status: number, body: string]>> = {
  slack: [200, 'ok'],
  teams: [202, ''],
  discord: [200, '{}'],
  pagerduty: [202, '{}'],
  ntfy: [200, '{}'],
};

/** Starts on a free port of 127.0.0.1. */
export async function startWebhookCatcher(captured: CaptureStore): Promise<Catcher & { readonly url: string }> {
  const server = createServer((request, response) => {
    store(request, captured).then(
      () => {
        const [status, body] = answers[formatOf(request)] ?? [204, ''];
        response.writeHead(status).end(body);
      },
      () => response.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}/`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const formatOf = ({ headers }: IncomingMessage) => String(headers[captureHeader] ?? '').split(' ')[0] ?? '';

async function store(request: IncomingMessage, captured: CaptureStore): Promise<void> {
  const body = (await buffer(request)).toString('utf8');
  const { method = '', url = '', httpVersion, headers, rawHeaders } = request;
  const lines = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 && name.toLowerCase() !== captureHeader ? [`${name}: ${rawHeaders[index + 1]}`] : [],
  );
  await captured.add({
    kind: 'webhook',
    messageId: messageIdIn(String(headers['webhook-id'] ?? headers[captureHeader] ?? '')),
    to: `http://${headers.host ?? '127.0.0.1'}${url}`,
    title: titleOf(body),
    source: [`${method} ${url} HTTP/${httpVersion}`, ...lines, '', body].join('\n'),
  });
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
