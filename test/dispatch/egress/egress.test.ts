import * as v from 'valibot';
import { afterEach, describe, expect, test } from 'vitest';
import {
  createEgress,
  type Egress,
  type EgressRequest,
  type EgressResult,
} from '../../../src/dispatch/egress/egress.ts';
import { egressSchema, type EgressOptions } from '../../../src/dispatch/egress/egress-options.ts';
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
    // The first answer is an allowed address where nothing listens; the second is the target of the attack.
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
    const fault = faultOf(await egress().call(post(receiver.url, { signal: AbortSignal.abort() })));
    expect(fault).toEqual({ kind: 'aborted', code: 'ABORTED', sent: false });
    expect(receiver.connections()).toBe(0);
  });

  test('a call that is stopped while it connects ends at once', async () => {
    const silent = keep(await startTcp((socket) => socket.resume()));
    const stop = new AbortController();
    const began = performance.now();
    const url = silent.url.replace('http:', 'https:');
    const call = egress().call(post(url, { signal: stop.signal, timeoutSeconds: 30 }));
    await until(() => silent.connections() === 1);
    stop.abort();
    expect(faultOf(await call)).toEqual({ kind: 'aborted', code: 'ABORTED', sent: false });
    expect(performance.now() - began).toBeLessThan(2_000);
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

test('a second response of one endpoint is never that of another endpoint on the same host', async () => {
  const receiver = keep(
    await startTcp((socket) => {
      socket.on('data', (data) => {
        const path = /^POST (\S+)/.exec(data.toString())?.[1];
        if (path === undefined) return;
        const response = (status: number) => `HTTP/1.1 ${status} Hi\r\ncontent-length: 0\r\n\r\n`;
        socket.write(response(path === '/twice' ? 200 : 404));
        if (path === '/twice') setImmediate(() => socket.write(response(200)));
      });
    }),
  );
  const calls = egress();
  const origin = receiver.url.replace('/hook', '');
  for (let turn = 0; turn < 20; turn += 1) {
    expect(replyOf(await calls.call(post(`${origin}/twice`))).status).toBe(200);
    expect(replyOf(await calls.call(post(`${origin}/once`))).status).toBe(404);
  }
});
