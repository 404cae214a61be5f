/** Stands between a client and PostgreSQL and counts what the client asks. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface CountingProxy {
  readonly url: string;
  /** Statements so far: simple queries, and executions of prepared ones. */
  readonly roundTrips: () => number;
  readonly stop: () => Promise<void>;
}

/** In front of the server of this connection string. */
export async function startCountingProxy(url: string): Promise<CountingProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 5432), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
      socket.on('error', () => undefined);
    }
    client.on(
      'data',
      countStatements(() => (count += 1)),
    );
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const own = new URL(url);
  own.host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  return {
    url: own.href,
    roundTrips: () => count,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Reads frontend messages: a type byte and a length, but for the very first, which has no type. */
function countStatements(seen: () => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let started = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const head = started ? 1 : 0;
      if (rest.length < head + 4) return;
      const end = head + rest.readInt32BE(head);
      if (rest.length < end) return;
      const type = started ? String.fromCharCode(rest[0] ?? 0) : '';
      if (type === 'Q' || type === 'E') seen();
      started = true;
      rest = rest.subarray(end);
    }
  };
}
