/** A web server on a free port of this machine that accepts every call and keeps it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type CaughtList, messageIdIn } from './captured.ts';
import type { Catcher } from './mail-catcher.ts';

/** Format and message of a chat post, which name no message themselves. Not part of what was caught. */
export const caughtHeader = 'x-pg-herald-caught';

/** What the services answer to a post that they take; anybody else gets 204. */
const answers: Readonly<Record<string, readonly [status: number, body: string]>> = {
  slack: [200, 'ok'],
  teams: [202, ''],
  discord: [200, '{}'],
  pagerduty: [202, '{}'],
  ntfy: [200, '{}'],
};

export async function startWebhookCatcher(catches: CaughtList): Promise<Catcher & { readonly url: string }> {
  const server = createServer((request, response) => {
    keep(request, catches).then(
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

const formatOf = ({ headers }: IncomingMessage) => String(headers[caughtHeader] ?? '').split(' ')[0] ?? '';

async function keep(request: IncomingMessage, catches: CaughtList): Promise<void> {
  const body = (await buffer(request)).toString('utf8');
  const { method = '', url = '', httpVersion, headers, rawHeaders } = request;
  const lines = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 && name.toLowerCase() !== caughtHeader ? [`${name}: ${rawHeaders[index + 1]}`] : [],
  );
  await catches.add({
    kind: 'webhook',
    messageId: messageIdIn(String(headers['webhook-id'] ?? headers[caughtHeader] ?? '')),
    to: `http://${headers.host ?? '127.0.0.1'}${url}`,
    title: titleOf(body),
    source: [`${method} ${url} HTTP/${httpVersion}`, ...lines, '', body].join('\n'),
  });
}

/** Where payloads say what they are about: our own, Discord's, Teams', PagerDuty's, ntfy's, Slack's. */
const titles = [
  'data.title',
  'embeds.0.title',
  'attachments.0.content.fallbackText',
  'payload.summary',
  'title',
  'text',
];

/** Else what the body begins with. */
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

/** Any call is kept, whether it is JSON or not. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
