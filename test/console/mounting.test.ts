/** The console behind proxies, and inside servers that have read the request before it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createConsole, nodeListener } from '../../src/console/index.ts';
import { listPauses, resumeMethod } from '../../src/operate/pause.ts';
import { createClient, token, useConsoleDatabase } from './support.ts';

const database = useConsoleDatabase();

describe('behind a proxy that removes a prefix', () => {
  const addresses = (page: string) =>
    [...page.matchAll(/(?:href|src|action|data-live-url)="([^"#]+)"/g)].map((match) => match[1] ?? '');

  test('all addresses begin with the prefix that the trusted proxy names', async () => {
    const client = createClient(database, { basePath: '/admin/herald', trustProxy: true });
    const headers = { 'x-forwarded-prefix': '/ops/' };
    const page = await (await client.visit('/admin/herald/suppressions', { headers })).text();
    expect(addresses(page).length).toBeGreaterThan(8);
    expect(addresses(page).filter((address) => !address.startsWith('/ops/admin/herald'))).toEqual([]);
    const paused = await client.submit('/admin/herald/methods/smtp/pause', { why: 'test' }, headers);
    expect([paused.status, paused.headers.get('location')]).toEqual([303, '/ops/admin/herald/']);
    expect(paused.headers.get('set-cookie')).toContain('Path=/ops/admin/herald');
    await resumeMethod(database.pool, { method: '*' });
  });

  test.each(['javascript:alert(1)', '//evil.example', '/"><script>', 'https://evil.example/', '/a\\b'])(
    'a prefix like %s is ignored, and so is any prefix of a proxy that is not trusted',
    async (prefix) => {
      const headers = { 'x-forwarded-prefix': prefix };
      for (const trustProxy of [true, false]) {
        const client = createClient(database, { trustProxy });
        const given = trustProxy ? headers : { 'x-forwarded-prefix': '/ops' };
        expect(addresses(await (await client.visit('/', { headers: given })).text())).toContain('/messages');
      }
    },
  );
});

describe('a form', () => {
  const form = { why: 'the relay moves' };

  test('is compared with the forwarded host only if the proxy is trusted', async () => {
    const send = async (trustProxy: boolean) => {
      const client = createClient(database, { trustProxy });
      await client.see('/suppressions');
      const headers = {
        'sec-fetch-site': '',
        origin: 'https://console.public.example',
        'x-forwarded-host': 'console.public.example',
      };
      return (await client.submit('/methods/smtp/pause', form, headers)).status;
    };
    expect([await send(false), await send(true)]).toEqual([403, 303]);
    await resumeMethod(database.pool, { method: '*' });
  });

  type Parser = (request: IncomingMessage & { body?: unknown }) => Promise<void>;
  const parsers: Readonly<Record<string, Parser>> = {
    'parses it into an object': async (request) => {
      request.body = Object.fromEntries(new URLSearchParams(await text(request)));
    },
    'keeps it as text': async (request) => {
      request.body = await text(request);
    },
    'keeps it as bytes': async (request) => {
      request.body = Buffer.from(await text(request));
    },
  };
  test.each(Object.entries(parsers))('still works behind a body parser that %s', async (_, parse) => {
    const { pause } = await serveBehind(parse);
    expect((await pause()).status).toBe(303);
    expect((await listPauses(database.pool)).map(({ detail }) => detail)).toEqual(['the relay moves']);
    await resumeMethod(database.pool, { method: '*' });
  });

  test('that was read and thrown away is answered with what to change, not with a database error', async () => {
    const { pause } = await serveBehind(async (request) => void (await text(request)));
    const answer = await pause();
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('Mount the handler before body parsers.');
  });

  async function serveBehind(parse: Parser) {
    const listener = nodeListener(createConsole({ pool: database.pool, token }));
    const handle = async (request: IncomingMessage, response: ServerResponse) => {
      if (request.method === 'POST') await parse(request);
      listener(request, response);
    };
    const server = createServer((request, response) => void handle(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    return {
      pause: () =>
        fetch(`http://127.0.0.1:${port}/methods/smtp/pause`, {
          method: 'POST',
          redirect: 'manual',
          headers: { authorization: `Bearer ${token}` },
          body: new URLSearchParams(form),
        }),
    };
  }
});
