/** Two people are asked for a review in their inboxes. Who has not read it five seconds later gets an email. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import * as v from 'valibot';
import { createHerald, defineTemplate } from '../../src/index.ts';
import type { Report } from './cleanup.ts';

const reviewRequested = defineTemplate({
  name: 'review-requested',
  labels: v.object({ author: v.string(), change: v.string() }),
});

const herald = createHerald();

/** Asks both, and lets one of them read it in time. Returns the ids of the messages that were committed. */
export async function askForReviews(pool: Pool, report: Report): Promise<readonly string[]> {
  const tx = await pool.connect();
  try {
    await tx.query('BEGIN');
    const messages = await herald.enqueue(tx, reviewRequested, {
      to: [
        { id: 'ada', name: 'Ada Lovelace', email: 'ada@example.com' },
        { id: 'edsger', name: 'Edsger Dijkstra', email: 'edsger@example.com' },
      ],
      labels: { author: 'Grace', change: '42' },
      targets: ['change-42'],
    });
    await tx.query('COMMIT');
    report('asked Ada and Edsger for a review in their inboxes, with an email in 5 s unless they read it', true);
    // As if she clicked the item in her inbox.
    await sleep(500);
    const { rows } = await pool.query<{ cancelled: string }>(
      `SELECT cancelled FROM herald.mark('ada', 'read', target => 'change-42')`,
    );
    report(`Ada read it in her inbox: ${rows[0]?.cancelled ?? 0} email is not needed any more`, true);
    return messages.map(({ id }) => id);
  } finally {
    tx.release();
  }
}
