/** An application that enqueues without a pause and looks at the clock: a long lock on its tables is noticed. */
import { Client } from 'pg';

export interface EnqueueWatch {
  /** Longest transaction since the last call, in milliseconds; one that still goes on counts. */
  longestMs(): number;
  end(): Promise<void>;
}

/** In plain SQL, as an application of any release could. */
export function watchEnqueue(url: string): EnqueueWatch {
  let longest = 0;
  let startedAt = 0;
  let ended = false;
  const note = () => {
    longest = Math.max(longest, Math.round(performance.now() - startedAt));
  };
  const running = (async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    for (let n = 0; !ended; n += 1) {
      startedAt = performance.now();
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO chaos.ledger SELECT message_id FROM herald.enqueue(jsonb_build_object('template', 'greeting', 'labels', '{"who": "watch"}'::jsonb,
           'methods', '["webhook"]'::jsonb, 'to', jsonb_build_object('id', $1::text)))`,
        [`watch-${n}`],
      );
      await client.query('COMMIT');
      note();
      await new Promise((resolve) => setTimeout(resolve, 5));
      startedAt = performance.now();
    }
    await client.end();
  })();
  return {
    longestMs() {
      note();
      const value = longest;
      longest = 0;
      return value;
    },
    async end() {
      ended = true;
      await running;
    },
  };
}
