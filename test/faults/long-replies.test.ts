/** Replies of 60 KB to every command, in a worker of its own: its event loop is never busy for 50 ms without a break. */
import { afterEach, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { type Program, programs } from '../support/processes.ts';
import { conversation, startSmtpScript, type Step } from '../support/smtp-script.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import type { Vitals } from '../support/vitals.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();
const start = programs(afterEach);

const length = 60_000;
/** What makes a pattern slow: a word without an end, addresses without an end, words without an end, known texts. */
const fillings: Readonly<Record<string, string>> = {
  'one word': 'z'.repeat(length),
  'half an address': `${'a.'.repeat(length / 2)}@`,
  'many addresses': 'a@b '.repeat(length / 4),
  'many words': 'z '.repeat(length / 2),
  'what the email says': 'label-of-the-email '.repeat(length / 19),
};
/** The delay that the histogram reports for an idle loop is its resolution. */
const resolutionMs = 20;
const boundMs = 50;

/** Says so much in every reply to one message, whose recipient it accepts or refuses. */
function talk(filling: string, refusing: boolean): Step[] {
  const say = (reply: string) => ({ reply: `${reply} ${filling}` });
  return conversation({
    greeting: say('220'),
    ehlo: { reply: `250-mx.test\r\n250 ${filling}` },
    mail: say('250 2.1.0'),
    recipient: refusing ? { ...say('450 4.2.0'), then: 'end' } : say('250 2.1.5'),
    data: say('354'),
    message: { ...say('250 2.0.0'), then: 'end' },
  });
}

async function enqueue(count: number, name: string): Promise<void> {
  // As much data as a notification may have: each string of it is looked for in a reply.
  const data = { lines: Array.from({ length: 2000 }, (_, i) => `label-of-the-email ${name} ${i} ${'x'.repeat(60)}`) };
  const to = Array.from({ length: count }, (_, i) => ({ id: `${name}${i}`, email: `${name}${i}@example.com` }));
  await herald.enqueue(database.pool, greeting, { autocommit: true, to, labels: { who: 'label-of-the-email' }, data });
}

const open = async () =>
  (await database.pool.query(`SELECT FROM herald.message WHERE attempts = 0 OR status = 'sending'`)).rowCount ?? 0;

/** The longest delay while these messages are tried. */
async function delayOf(program: Program, name: string): Promise<number> {
  const before = program.stdout().length;
  await enqueue(20, name);
  await until(async () => (await open()) === 0, { timeoutMs: 60_000 });
  const vitals = () =>
    [
      ...program
        .stdout()
        .slice(before)
        .matchAll(/^vitals (.*)$/gm),
    ].map((line) => JSON.parse(line[1] ?? '') as Vitals);
  const seen = vitals().length;
  await until(() => vitals().length >= seen + 2, { timeoutMs: 10_000 });
  return Math.max(...vitals().map(({ loopDelayMs }) => loopDelayMs)) - resolutionMs;
}

test.each(Object.entries(fillings))('60 KB of %s in every reply', { timeout: 240_000 }, async (_, filling) => {
  let connections = 0;
  const relay = await startSmtpScript(() => talk(filling, connections++ % 2 === 0));
  const program = start(new URL('../delivery/worker-program.ts', import.meta.url), {
    env: {
      HERALD_TEST_WORKER: JSON.stringify({
        url: database.url,
        smtpPort: relay.port,
        concurrency: 5,
        vitalsSeconds: 0.5,
      }),
    },
  });
  try {
    await program.line(/ready/, { timeoutMs: 60_000 });
    // The first emails compile what later ones reuse. A loop that blocks does so every time; a busy machine does not.
    await delayOf(program, 'warm');
    let delay = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 8 && delay > boundMs; round += 1)
      delay = Math.min(delay, await delayOf(program, `round${round}`));
    expect(delay).toBeLessThanOrEqual(boundMs);
    expect(relay.messages().length).toBeGreaterThan(0);
  } finally {
    await program.kill('SIGTERM');
    await relay.close();
    await database.pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job');
  }
});
