/** Listening on this machine, on a preferred port. */
import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';

/** Listens on 127.0.0.1: on `port`, or on any free one if it is taken or 0. Returns the port. */
export async function listenOrElse(server: Server, port: number): Promise<number> {
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    if (port === 0 || !isTaken(error)) throw error;
    return listenOrElse(server, 0);
  }
  return (server.address() as AddressInfo).port;
}

/** Whether the error says that another program listens there. */
export function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
