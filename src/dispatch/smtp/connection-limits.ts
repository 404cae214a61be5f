/** The connection limits of relays, kept in herald.sender.max_connections for processes that start later. */
import { codeOf } from '../../errors.ts';
import type { DispatcherServices } from '../dispatcher.ts';
import type { Sender } from './sender.ts';

/** The stored limits of one method. */
export interface ConnectionLimits {
  /** Gives the senders the limits that earlier processes found. */
  start(services: DispatcherServices, senders: readonly Pick<Sender, 'name' | 'connections'>[]): Promise<void>;
  /** Stores a limit in the background; null means that there is none. */
  remember(sender: string, connections: number | null): void;
  /** Resolves when nothing is left to write. */
  close(): Promise<void>;
}

const writeStatement = `
INSERT INTO herald.sender (method, name, max_connections) VALUES ($1, $2, $3)
ON CONFLICT (method, name) DO UPDATE SET max_connections = $3, updated_at = now()`;

const readStatement = `
SELECT name, max_connections AS connections FROM herald.sender
WHERE method = $1 AND max_connections IS NOT NULL`;

/** Nothing is read or written before `start`. */
export function createConnectionLimits(): ConnectionLimits {
  let services: DispatcherServices | null = null;
  let writing: Promise<unknown> = Promise.resolve();

  /** Errors are only logged: the relay's next refusal leads to the same limit again. */
  async function query({ pool, method, logger }: DispatcherServices, text: string, values: readonly unknown[] = []) {
    try {
      return (await pool.query<{ name: string; connections: number }>(text, [method, ...values])).rows;
    } catch (error) {
      logger.error({ method, error: codeOf(error) }, 'cannot read or store connection limits');
      return [];
    }
  }

  return {
    async start(given, senders) {
      services = given;
      for (const { name, connections } of await query(given, readStatement))
        senders.find((sender) => sender.name === name)?.connections.limit(connections, performance.now());
    },
    remember(sender, connections) {
      const known = services;
      if (known !== null) writing = writing.then(() => query(known, writeStatement, [sender, connections]));
    },
    async close() {
      await writing;
    },
  };
}
