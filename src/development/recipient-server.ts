/** The recipients' pages on this machine, so that the links of captured emails work. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { Pool } from 'pg';
import { nodeListener } from '../node-listener.ts';
import type { LinkOptions } from '../recipients/links.ts';
import type { Brand } from '../vocabulary.ts';
import { listenOrElse } from './listen.ts';

/** A running server of the pages. */
export interface RecipientServer {
  /** What the worker makes links with. Links of an earlier start are too old. */
  readonly links: LinkOptions;
  readonly close: () => Promise<void>;
}

/** Starts on a free port of 127.0.0.1. */
export async function startRecipientServer(pool: Pool, brand: Brand): Promise<RecipientServer> {
  const { createRecipientPages } = await import('../recipients/pages.ts');
  const server = createServer();
  const url = `http://127.0.0.1:${await listenOrElse(server, 0)}`;
  const links = { url, keys: [randomBytes(32).toString('base64')] };
  server.on('request', nodeListener(createRecipientPages({ pool, links, brand })));
  return {
    links,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
