/** A bare loop of `undici.request`: the same body, the same number of connections, no signature, no database. */
import { Agent, request } from 'undici';
import { inTurns } from './in-turns.ts';
import { serve } from './serve.ts';

export interface RequestsInput {
  readonly url: string;
  readonly connections: number;
  readonly body: string;
}

serve<RequestsInput>(async ({ url, connections, body }) => {
  const dispatcher = new Agent({ connections, pipelining: 1 });
  const headers = { 'content-type': 'application/json' };
  return {
    answers: {
      /** Requests per second. */
      send: async (count: number) => {
        const startedAt = performance.now();
        await inTurns(count, connections, async () => {
          const response = await request(url, { method: 'POST', headers, body, dispatcher });
          await response.body.dump();
        });
        return count / ((performance.now() - startedAt) / 1000);
      },
    },
    close: () => dispatcher.close(),
  };
});
