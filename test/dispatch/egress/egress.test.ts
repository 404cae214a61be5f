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
import { egressSchema, type EgressOptions } from '../../../src/dispatch/egress/options.ts';
import { publicResolver, type Resolve } from '../../../src/dispatch/egress/resolver.ts';
import { startNameServer, type NameAnswer } from '../name-server.ts';
import { closedPort, pem, startReceiver, startTcp, until } from '../support.ts';

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

async function nameServer(answer: (name: string, count: number) => NameAnswer) {
  const server = keep(await startNameServer(answer));
  return { server, resolve: publicResolver({ servers: [server.address], timeoutMs: 100, tries: 1 }) };
}

describe('the guard, with a real receiver that must not be reached', () => {
  test.each(['127.0.0.1', '127.1', '0x7f000001', '[::ffff:127.0.0.1]', 'localhost'])(
    '%s in the URL is refused',
    async (host) => {
      const receiver = keep(await startReceiver());
      const result = await egress({ allowHttp: true, ports: [receiver.port] }).call(
        post(`http://${host}:${receiver.port}/`),
      );
      expect(result.kind).toBe('refused');
      expect(receiver.connections()).toBe(0);
    },
  );

  test('a public name that leads to 127.0.0.1 is not dialled', async () => {
    const receiver = keep(await startReceiver());
    const { server, resolve } = await nameServer(() => ['127.0.0.1']);
    const client = egress({ allowHttp: true, ports: [receiver.port] }, resolve);
    const result = await client.call(post(`http://rebind.example.com:${receiver.port}/`));
    expect(faultOf(result)).toEqual({ kind: 'forbidden', code: 'ADDRESS_NOT_ALLOWED', sent: false });
    expect(server.asked).toEqual(['rebind.example.com']);
    expect(receiver.connections()).toBe(0);
  });

  test('a name that is public when looked at and 127.0.0.1 when dialled is not dialled', async () => {
    const receiver = keep(await startReceiver());
    const { resolve } = await nameServer((_, count) => [count === 1 ? '192.0.2.7' : '127.0.0.1']);
    // The first answer is an allowed address that nobody answers at; the second is what the attack is about.
    const client = egress({ allowHttp: true, ports: [receiver.port], allowCidrs: ['192.0.2.0/24'] }, resolve);
    const url = `http://rebind.example.com:${receiver.port}/`;
    expect(faultOf(await client.call(post(url, { timeoutSeconds: 1 })))).toMatchObject({
      kind: expect.stringMatching(/connect_timeout|unreachable/),
    });
    expect(faultOf(await client.call(post(url)))).toMatchObject({ kind: 'forbidden' });
    expect(receiver.connections()).toBe(0);
  });

  test('of a mixed answer only the allowed address is dialled', async () => {
    const receiver = keep(await startReceiver());
    const { resolve } = await nameServer(() => ['10.0.0.1', '127.0.0.1', '169.254.169.254']);
    const client = egress({ ...local, allowHttp: true, ports: [receiver.port] }, resolve);
    expect(replyOf(await client.call(post(`http://mixed.example.com:${receiver.port}/`))).status).toBe(200);
    expect(receiver.connections()).toBe(1);
  });

  test('every address of an answer is checked, IPv6 as well', async () => {
    const resolve: Resolve = async () => ['::1', '::ffff:127.0.0.1', 'fe80::1', '64:ff9b::7f00:1'];
    expect(faultOf(await egress({}, resolve).call(post('https://six.example.com/')))).toMatchObject({
      kind: 'forbidden',
    });
  });

  test('a redirect to an internal receiver is not followed, the body is not posted again', async () => {
    const inner = keep(await startReceiver());
    for (const status of [301, 302, 303, 307, 308]) {
      const outer = keep(await startReceiver((response) => response.writeHead(status, { location: inner.url }).end()));
      expect(replyOf(await egress().call(post(outer.url))).status).toBe(status);
    }
    expect(inner.connections()).toBe(0);
  });
});

describe('what the operator allows', () => {
  test('a name in allowHosts is resolved by the system and trusted wherever it leads', async () => {
    const receiver = keep(await startReceiver());
    const client = egress({ allowHosts: ['localhost'] });
    expect(replyOf(await client.call(post(`http://localhost:${receiver.port}/`))).status).toBe(200);
  });

  test('a public address of our own in denyCidrs is refused at connect time', async () => {
    const resolve: Resolve = async () => ['8.8.8.8'];
    const client = egress({ denyCidrs: ['8.8.8.0/24'] }, resolve);
    expect(faultOf(await client.call(post('https://self.example.com/')))).toMatchObject({ kind: 'forbidden' });
  });
});

describe('names', () => {
  test.each<[string, NameAnswer, string]>([
    ['that do not exist', [], 'ENOTFOUND'],
    ['whose server fails', 'refuse', 'ESERVFAIL'],
    ['whose server says nothing', 'ignore', 'ETIMEOUT'],
  ])('%s are a fault of the look-up', async (_, answer, code) => {
    const { resolve } = await nameServer(() => answer);
    expect(faultOf(await egress({}, resolve).call(post('https://x.example.com/')))).toEqual({
      kind: 'dns',
      code,
      sent: false,
    });
  });
});

describe('connections', () => {
  test('are used again for the same receiver', async () => {
    const receiver = keep(await startReceiver());
    const client = egress();
    for (let call = 0; call < 5; call += 1) expect(replyOf(await client.call(post(receiver.url))).complete).toBe(true);
    expect(receiver.connections()).toBe(1);
  });

  test('are opened side by side for calls at the same time', async () => {
    const receiver = keep(await startReceiver());
    const client = egress();
    await Promise.all(Array.from({ length: 5 }, () => client.call(post(receiver.url))));
    expect(receiver.connections()).toBe(5);
    await Promise.all(Array.from({ length: 5 }, () => client.call(post(receiver.url))));
    expect(receiver.connections()).toBe(5);
  });

  test('are never shared between different TLS material', async () => {
    const tls = {
      key: pem('server.key'),
      cert: pem('server.crt'),
      ca: pem('ca.crt'),
      requestCert: true,
      rejectUnauthorized: false,
    };
    const receiver = keep(await startReceiver(undefined, tls));
    const client = egress();
    const ca = pem('ca.crt');
    await client.call(post(receiver.url, { tls: { ca } }));
    await client.call(post(receiver.url, { tls: { ca, cert: pem('client.crt'), key: pem('client.key') } }));
    expect(receiver.connections()).toBe(2);
  });

  test('a reset on a used connection says so', async () => {
    const receiver = keep(
      await startReceiver((response, _, count) => (count === 2 ? response.socket?.resetAndDestroy() : response.end())),
    );
    const client = egress();
    await client.call(post(receiver.url));
    const second = await client.call(post(receiver.url));
    expect(second).toMatchObject({ kind: 'fault', reused: true, fault: { kind: 'connection_lost', sent: true } });
    const third = await client.call(post(receiver.url));
    expect(replyOf(third).status).toBe(200);
  });
});

describe('bounds', () => {
  test('the caller can stop a call', async () => {
    const receiver = keep(await startReceiver(() => undefined));
    const stop = new AbortController();
    const call = egress().call(post(receiver.url, { signal: stop.signal }));
    await until(() => receiver.received.length === 1);
    stop.abort();
    expect(faultOf(await call)).toEqual({ kind: 'aborted', code: 'ABORTED', sent: true });
  });

  test('a call that is stopped before it starts sends nothing', async () => {
    const receiver = keep(await startReceiver());
    expect(faultOf(await egress().call(post(receiver.url, { signal: AbortSignal.abort() })))).toMatchObject({
      kind: 'aborted',
    });
    expect(receiver.received).toHaveLength(0);
  });

  test('a closed port is unreachable and nothing was sent', async () => {
    const fault = faultOf(await egress().call(post(`http://127.0.0.1:${await closedPort()}/`)));
    expect(fault).toEqual({ kind: 'unreachable', code: 'ECONNREFUSED', sent: false });
  });

  test('nothing is decompressed', async () => {
    const bomb = Buffer.from('H4sIAAAAAAAAA0tMSgYAwkEkNQMAAAA=', 'base64');
    const receiver = keep(
      await startReceiver((response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)),
    );
    expect(replyOf(await egress().call(post(receiver.url))).bytesRead).toBe(bomb.length);
  });
});

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
