/** How many connections the servers of senders allow, kept for processes that start later: herald.sender.max_connections. */
import { nameOf, type RestServices } from './sender-pauses.ts';
import type { Sender } from './sender.ts';

export interface Learned {
  /** Lets the senders begin with what was learned before. */
  start(services: RestServices, senders: readonly Pick<Sender, 'name' | 'connections'>[]): Promise<void>;
  /** Null: as many as configured. Written soon, never waited for. */
  remember(sender: string, connections: number | null): void;
  /** Resolves when all of it is written, or could not be. */
  close(): Promise<void>;
}

const writeStatement = `
INSERT INTO herald.sender (method, name, max_connections) VALUES ($1, $2, $3)
ON CONFLICT (method, name) DO UPDATE SET max_connections = $3, updated_at = now()`;

const readStatement = `SELECT name, max_connections AS connections FROM herald.sender WHERE method = $1 AND max_connections IS NOT NULL`;

export function createLearned(): Learned {
  let services: RestServices | null = null;
  let writing: Promise<unknown> = Promise.resolve();

  /** What a query throws is logged: the next refusal teaches the same again. */
  async function ask({ pool, method, logger }: RestServices, text: string, values: readonly unknown[] = []) {
    try {
      return (await pool.query<{ name: string; connections: number }>(text, [method, ...values])).rows;
    } catch (error) {
      logger.error({ method, error: nameOf(error) }, 'cannot keep how many connections the server allows');
      return [];
    }
  }

  return {
    async start(given, senders) {
      services = given;
      for (const { name, connections } of await ask(given, readStatement))
        senders.find((sender) => sender.name === name)?.connections.limit(connections, performance.now());
    },
    remember(sender, connections) {
      const known = services;
      if (known !== null) writing = writing.then(() => ask(known, writeStatement, [sender, connections]));
    },
    async close() {
      await writing;
    },
  };
}
