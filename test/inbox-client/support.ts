/** A small application with the bell on its page, served over HTTP/1.1 by node:http, for tests in a real browser. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { Pool } from 'pg';
import { createInbox, type Inbox, nodeListener } from '../../src/inbox/index.ts';

/** What a browser may do on the pages: load scripts of this origin and talk to it, and nothing else. */
export const strictPolicy =
  "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; require-trusted-types-for 'script'; " +
  "trusted-types 'none'";

export const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The element as the inbox serves it. */
const elementPath = '/inbox/element.js';

export interface Page {
  readonly body?: string;
  readonly lang?: string;
  /** The module that the page loads. Default: the element. */
  readonly script?: string;
  readonly policy?: string;
}

export interface Application {
  readonly url: string;
  /** Requests of the inbox so far: method, path and reader. */
  readonly requests: readonly string[];
  /** Streams that are open. */
  readonly openStreams: () => number;
  /** Readers whose session has ended. */
  readonly signedOut: Set<string>;
  /** Answers the inbox's requests with this status in place of the inbox's answer; null: as usual. */
  refuseWith: number | null;
  /** Adds a page at a path. */
  readonly addPage: (path: string, page: Page) => void;
  /** Ends the server and its streams, as a crash would. */
  readonly stop: () => Promise<void>;
  /** Listens again at the same address. */
  readonly start: () => Promise<void>;
}

/** Starts the application. A cookie `reader` says who reads; `/` has the bell. */
export async function startApplication(pool: Pool): Promise<Application> {
  const pages = new Map<string, Page>([['/', {}]]);
  const scripts = new Map<string, string>();
  const requests: string[] = [];
  const signedOut = new Set<string>();
  let inbox: Inbox;
  let server: Server;
  let port = 0;
  let streams = 0;
  const application: Application = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    requests,
    openStreams: () => streams,
    signedOut,
    refuseWith: null,
    addPage: (path, page) => {
      if (page.script !== undefined) scripts.set(`${path}.js`, page.script);
      pages.set(path, page);
    },
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await inbox.close();
      await closed;
    },
    start: async () => {
      server = createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
      const brand = { appName: 'Acme', baseUrl: application.url };
      const authorize = (request: Request) => readerOf(request.headers.get('cookie'), signedOut);
      inbox = createInbox({ pool, brand, basePath: '/inbox', authorize });
      const listener = nodeListener(inbox);
      server.on('request', (request, response) => answer(request, response, listener));
    },
  };
  function answer(request: IncomingMessage, response: ServerResponse, listener: ReturnType<typeof nodeListener>): void {
    const path = request.url?.replace(/\?.*/, '') ?? '';
    if (!path.startsWith('/inbox/')) return sendPage(path, response);
    requests.push(`${request.method} ${path}`);
    if (application.refuseWith !== null && path !== elementPath) {
      response.writeHead(application.refuseWith).end();
      return;
    }
    if (path === '/inbox/stream') {
      streams += 1;
      response.once('close', () => (streams -= 1));
    }
    listener(request, response);
  }
  function sendPage(path: string, response: ServerResponse): void {
    const script = scripts.get(path);
    const page = pages.get(path);
    if (script !== undefined) response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' }).end(script);
    else if (page === undefined) response.writeHead(204).end();
    else
      response
        .writeHead(200, {
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Security-Policy': page.policy ?? strictPolicy,
        })
        .end(documentOf(page, page.script === undefined ? elementPath : `${path}.js`));
  }
  await application.start();
  return application;
}

function readerOf(cookies: string | null, signedOut: ReadonlySet<string>): { recipientId: string } | null {
  const recipientId = /(?:^|; )reader=([^;]+)/.exec(cookies ?? '')?.[1];
  return recipientId === undefined || signedOut.has(recipientId) ? null : { recipientId };
}

function documentOf({ body = '<herald-inbox></herald-inbox>', lang = 'en' }: Page, script: string): string {
  const direction = lang === 'ar' || lang === 'he' ? ' dir="rtl"' : '';
  return `<!doctype html>
<html lang="${lang}"${direction}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Acme</title>
<script type="module" src="${script}"></script>
</head>
<body>
<header>${body}</header>
<main><h1>Acme</h1><p>Workspaces of <a href="#elsewhere">Ada</a></p></main>
</body>
</html>`;
}
