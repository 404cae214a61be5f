/** An inbox in a process of its own, for tests that kill it or measure it. The URL of the database is its argument. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Pool } from 'pg';
import { createInbox, nodeListener } from '../../src/inbox/index.ts';

const [url = ''] = process.argv.slice(2);
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const pool = new Pool({ connectionString: url, max: 5 });
pool.on('error', () => undefined);
const inbox = createInbox({
  pool,
  brand: { appName: 'Acme', baseUrl: 'https://acme.example' },
  authorize: ({ headers }) => {
    const recipientId = headers.get('x-user');
    return recipientId === null ? null : { recipientId };
  },
});
const listener = nodeListener(inbox);
const server = createServer((request, response) => {
  if (request.url === '/memory') {
    collectGarbage();
    response.end(JSON.stringify({ rss: process.memoryUsage.rss() }));
  } else listener(request, response);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`);
});
