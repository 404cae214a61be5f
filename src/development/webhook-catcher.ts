/** A web server on a free port of this machine that accepts every call and keeps it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type CaughtList, messageIdIn } from './catches.ts';
import type { Catcher } from './mail-catcher.ts';

export async function startWebhookCatcher(catches: CaughtList): Promise<Catcher & { readonly url: string }> {
  const server = createServer((request, response) => {
    keep(request, catches).then(
      () => response.writeHead(204).end(),
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

async function keep(request: IncomingMessage, catches: CaughtList): Promise<void> {
  const body = (await buffer(request)).toString('utf8');
  const { method = '', url = '', httpVersion, headers, rawHeaders } = request;
  const lines = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}`] : []));
  await catches.add({
    kind: 'webhook',
    messageId: messageIdIn(String(headers['webhook-id'] ?? '')),
    to: `http://${headers.host ?? '127.0.0.1'}${url}`,
    title: titleOf(body),
    source: [`${method} ${url} HTTP/${httpVersion}`, ...lines, '', body].join('\n'),
  });
}

/** Title and type of our own payload; else what it begins with. */
function titleOf(body: string): string {
  try {
    const { type, data } = JSON.parse(body) as { type?: unknown; data?: { title?: unknown } };
    if (typeof data?.title === 'string') return data.title;
    if (typeof type === 'string') return type;
  } catch {
    // Not JSON: any call is kept.
  }
  return body.slice(0, 80) || '(no body)';
}
