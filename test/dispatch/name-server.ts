/** A DNS server on UDP (RFC 1035) that answers whatever a test wants, one question at a time. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** `refuse`: SERVFAIL. `ignore`: no answer at all. A list: the addresses of that family; empty: NXDOMAIN. */
export type NameAnswer = readonly string[] | 'refuse' | 'ignore';

export interface NameServer {
  /** For `Resolver.setServers`. */
  readonly address: string;
  /** Names that were asked for, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

const typeA = 1;

/** IPv4 only: questions for AAAA get an empty answer. `answer` is given how often the name was asked for A, from 1. */
export async function startNameServer(answer: (name: string, count: number) => NameAnswer): Promise<NameServer> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, { port, address }) => {
    const { name, type, end } = questionOf(query);
    if (type === typeA) asked.push(name);
    const answers = type === typeA ? answer(name, asked.filter((each) => each === name).length) : [];
    if (answers === 'ignore') return;
    const records = answers === 'refuse' ? [] : answers.map(recordOf);
    const code = answers === 'refuse' ? 2 : records.length === 0 && type === typeA ? 3 : 0;
    const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80 | code, 0, 1, 0, records.length, 0, 0, 0, 0]);
    socket.send(Buffer.concat([header, query.subarray(12, end), ...records]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    close: async () => {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('ascii', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** An A record for the name of the question (a pointer to byte 12), to be kept for no time. */
function recordOf(address: string): Buffer {
  return Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]);
}
