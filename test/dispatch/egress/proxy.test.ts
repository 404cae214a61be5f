import { createServer as createHttpServer } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import * as v from 'valibot';
import { afterEach, describe, expect, test } from 'vitest';
import {
  createEgress,
  type Egress,
  type EgressRequest,
  type EgressResult,
} from '../../../src/dispatch/egress/egress.ts';
import { egressSchema, type EgressOptions } from '../../../src/dispatch/egress/egress-options.ts';
import type { Resolve } from '../../../src/dispatch/egress/resolver.ts';
import { closedPort, pem, startReceiver, startTcp } from '../support.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

function keep<T extends { close(): unknown }>(thing: T): T {
  open.push(() => thing.close());
  return thing;
}

const local: EgressOptions = { allowCidrs: ['127.0.0.1'] };

function egress(options: EgressOptions = local, resolve?: Resolve): Egress {
  return keep(createEgress(v.parse(egressSchema, options), resolve));
}

function post(url: string, changes: Partial<EgressRequest> = {}): EgressRequest {
  return { url, method: 'POST', headers: {}, body: Buffer.from('{}'), timeoutSeconds: 5, ...changes };
}

const faultOf = (result: EgressResult) => (result.kind === 'fault' ? result.fault : result);
const replyOf = (result: EgressResult) => {
  if (result.kind !== 'reply') throw new Error(`no reply: ${JSON.stringify(result)}`);
  return result.reply;
};

describe('an egress proxy', () => {
  /** A real CONNECT proxy; `authorize` decides by the header. */
  async function startProxy(status = 200, authorize: (header: string | undefined) => boolean = () => true) {
    const asked: string[] = [];
    const sockets = new Set<Socket>();
    const server = createHttpServer();
    server.on('connection', (socket) => sockets.add(socket));
    server.on('connect', (request, client: Socket) => {
      asked.push(request.url ?? '');
      client.on('error', () => undefined);
      const refused = authorize(request.headers['proxy-authorization']) ? status : 407;
      if (refused !== 200) return void client.end(`HTTP/1.1 ${refused} No\r\ncontent-length: 0\r\n\r\n`);
      const [, port] = (request.url ?? '').split(':');
      const upstream = connect(Number(port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      upstream.on('error', () => client.destroy());
      sockets.add(upstream);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    open.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { url: `http://127.0.0.1:${port}`, port, asked };
  }

  test('carries http and https calls, and resolves the names itself', async () => {
    const tls = { key: pem('server.key'), cert: pem('server.crt') };
    const secure = keep(await startReceiver(undefined, tls));
    const clear = keep(await startReceiver());
    const proxy = await startProxy();
    const refuseToResolve: Resolve = () => Promise.reject(new Error('must not be asked'));
    const client = egress({ proxy: proxy.url, allowHttp: true, ports: [secure.port, clear.port] }, refuseToResolve);
    const target = `https://receiver.test:${secure.port}/`;
    expect(replyOf(await client.call(post(target, { tls: { ca: pem('ca.crt') } }))).status).toBe(200);
    expect(replyOf(await client.call(post(`http://receiver.test:${clear.port}/`))).status).toBe(200);
    expect(proxy.asked).toEqual([`receiver.test:${secure.port}`, `receiver.test:${clear.port}`]);
  });

  test('does not weaken the check of the target certificate', async () => {
    const secure = keep(await startReceiver(undefined, { key: pem('wrong-name.key'), cert: pem('wrong-name.crt') }));
    const proxy = await startProxy();
    const client = egress({ proxy: proxy.url, ports: [secure.port] });
    const result = await client.call(post(`https://receiver.test:${secure.port}/`, { tls: { ca: pem('ca.crt') } }));
    expect(faultOf(result)).toMatchObject({ kind: 'tls', code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(secure.received).toHaveLength(0);
  });

  test('gets the user name and password of its URL', async () => {
    const receiver = keep(await startReceiver());
    const expected = `Basic ${Buffer.from('al ice:s3cr@t').toString('base64')}`;
    const proxy = await startProxy(200, (header) => header === expected);
    const withCredentials = proxy.url.replace('://', '://al%20ice:s3cr%40t@');
    const options = { allowHttp: true, ports: [receiver.port] };
    const url = `http://receiver.test:${receiver.port}/`;
    expect(replyOf(await egress({ ...options, proxy: withCredentials }).call(post(url))).status).toBe(200);
    expect(faultOf(await egress({ ...options, proxy: proxy.url }).call(post(url)))).toEqual({
      kind: 'proxy',
      code: 'PROXY_407',
      sent: false,
    });
  });

  test.each<[number, string, string]>([
    [403, 'forbidden', 'PROXY_POLICY'],
    [407, 'proxy', 'PROXY_407'],
    [500, 'proxy', 'PROXY_500'],
    [502, 'unreachable', 'PROXY_502'],
    [503, 'unreachable', 'PROXY_503'],
    [504, 'unreachable', 'PROXY_504'],
  ])('that answers CONNECT with %i means %s', async (status, kind, code) => {
    const proxy = await startProxy(status);
    const result = await egress({ proxy: proxy.url }).call(post('https://receiver.test/'));
    expect(faultOf(result)).toEqual({ kind, code, sent: false });
  });

  test('that is down, says nothing or speaks nonsense is a fault of the proxy', async () => {
    const silent = keep(await startTcp((socket) => socket.resume()));
    const junk = keep(await startTcp((socket) => void socket.end('SSH-2.0-OpenSSH\r\n')));
    const hangsUp = keep(await startTcp((socket) => void socket.once('data', () => socket.destroy())));
    for (const port of [await closedPort(), junk.port, hangsUp.port]) {
      const client = egress({ proxy: `http://127.0.0.1:${port}` });
      expect(faultOf(await client.call(post('https://receiver.test/')))).toMatchObject({ kind: 'proxy', sent: false });
    }
    const result = await egress({ proxy: `http://127.0.0.1:${silent.port}` }).call(
      post('https://receiver.test/', { timeoutSeconds: 1 }),
    );
    expect(faultOf(result)).toMatchObject({ sent: false });
  });

  test('does not open literal internal addresses to endpoints', async () => {
    const proxy = await startProxy();
    const result = await egress({ proxy: proxy.url }).call(post('https://169.254.169.254/'));
    expect(result.kind).toBe('refused');
    expect(proxy.asked).toEqual([]);
  });
});
