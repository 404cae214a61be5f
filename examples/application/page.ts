/** A page of the example's host application, with the bell of the person who is signed in. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { Pool } from 'pg';
import { createInbox, nodeListener } from '../../src/inbox/index.ts';
import type { Brand } from '../../src/index.ts';

export interface ApplicationPage {
  readonly url: string;
  close(): Promise<void>;
}

export interface ApplicationPageOptions {
  readonly pool: Pool;
  readonly brand: Brand;
  /** Called when somebody presses the button of the page. */
  readonly deleteAnother: () => Promise<void>;
}

/** Nothing comes from elsewhere, and no script or style is written into the page. */
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'";

const people = { ada: 'Ada Lovelace', grace: 'Grace Hopper' } as const;
type Person = keyof typeof people;

/** Serves the page on a free port. */
export async function openPage({ pool, brand, deleteAnother }: ApplicationPageOptions): Promise<ApplicationPage> {
  const inbox = createInbox({
    pool,
    brand,
    basePath: '/inbox',
    // A real application looks up its session here.
    authorize: (request) => ({ recipientId: personOf(request.headers.get('cookie') ?? '') }),
  });
  const serveInbox = nodeListener(inbox);
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/inbox/')) serveInbox(request, response);
    else void respond(request, response, deleteAnother).catch(() => response.writeHead(500).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      await inbox.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function personOf(cookies: string): Person {
  return /(?:^|; )person=grace(?:;|$)/.test(cookies) ? 'grace' : 'ada';
}

async function respond(request: IncomingMessage, response: ServerResponse, deleteAnother: () => Promise<void>) {
  const send = (type: string, text: string) =>
    response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8`, 'Content-Security-Policy': policy }).end(text);
  const isOwn = request.headers['sec-fetch-site'] === 'same-origin';
  if (request.url === '/style.css') return send('text/css', style);
  const [, signingIn] = /^\/as\/(ada|grace)$/.exec(request.url ?? '') ?? [];
  if (signingIn !== undefined)
    return response
      .writeHead(303, { Location: '/', 'Set-Cookie': `person=${signingIn}; HttpOnly; SameSite=Lax; Path=/` })
      .end();
  if (request.url !== '/') return response.writeHead(404).end();
  if (request.method !== 'POST') return send('text/html', pageOf(personOf(request.headers.cookie ?? '')));
  if (!isOwn) return response.writeHead(403).end();
  await deleteAnother();
  return response.writeHead(303, { Location: '/' }).end();
}

const pageOf = (person: Person) => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Acme Workspaces</title>
  <link rel="stylesheet" href="/style.css">
  <script type="module" src="/inbox/element.js"></script>
</head>
<body>
  <header>
    <strong>Acme Workspaces</strong>
    <span>${people[person]}</span>
    <herald-inbox></herald-inbox>
  </header>
  <main>
    <h1>Workspaces</h1>
    <p>The cleanup job deletes workspaces and notifies their owners, each in one transaction.</p>
    <form method="post" action="/"><button>Delete another workspace of Ada</button></form>
    <p>Open this page in a second tab: both bells agree. <a href="/as/${person === 'ada' ? 'grace' : 'ada'}">Sign in as
      ${person === 'ada' ? people.grace : people.ada}</a> to see another inbox.</p>
  </main>
</body>
</html>`;

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
header { display: flex; align-items: center; gap: 16px; padding: 8px 24px; border-bottom: 1px solid #8886; }
header strong { flex: 1; }
main { max-width: 40rem; padding: 8px 24px; }
button { font: inherit; padding: 8px 16px; }
`;
