/** Sets the scene: a database, receivers in a process of their own, proxies in between, workers and enqueuers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Pool } from 'pg';
import { migrate } from '../../src/database/migrate.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { type PostgresServer, startPostgres } from '../support/postgres/server.ts';
import { type Crew, startCrew, startEnqueuerProgram, startWorkerProgram } from './crew.ts';
import type { Incident } from './incidents.ts';
import { type Proxy, startProxy } from './proxy.ts';
import { type Receivers, startReceivers } from './receivers.ts';

export interface StageOptions {
  readonly workers: number;
  readonly enqueuers: number;
  /** Messages that the enqueuers commit together; endless by default. */
  readonly messages?: number | undefined;
  /** Pause of an enqueuer between transactions. */
  readonly pauseMs: number;
  readonly allParts: boolean;
}

type Undo = () => Promise<void> | void;

export interface Stage {
  readonly server: PostgresServer;
  /** Straight to the database, for the harness. */
  readonly url: string;
  readonly pool: Pool;
  readonly proxies: { readonly database: Proxy; readonly smtp: Proxy; readonly webhook: Proxy };
  readonly receivers: Receivers;
  readonly workers: Crew;
  readonly enqueuers: Crew;
  readonly incidents: Incident[];
  /** The enqueuers' journals. */
  readonly journals: () => readonly string[];
  /** Does this later, or at the latest when the calm begins. */
  later(ms: number, undo: Undo): void;
  calm(): Promise<void>;
  close(): Promise<void>;
}

/** Goes to the inbox, asks a guard, and has a later step for those who have not read it. */
const escalatingFile = `---
title: Hello {{labels.who}}
group: Greetings
guard: chaos.may
then:
  - { after: 2s, unless: read, methods: [webhook] }
---
Dear **{{labels.who}}**, welcome.
`;

/** It fails now and then, which is never an answer: the message waits. */
const guardSql = `CREATE FUNCTION chaos.may(recipient_id text, targets text[], labels jsonb, data jsonb) RETURNS text
  STABLE LANGUAGE plpgsql AS $$
BEGIN
  IF random() < 0.002 THEN
    RAISE 'the application is at fault';
  END IF;
  RETURN NULL;
END $$`;

/** A real server's settings, because the proof is about real crashes; deadlocks are found sooner than by default. */
const settings = { max_connections: '100', deadlock_timeout: '200ms' };

export async function setStage(options: StageOptions): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'pg-herald-chaos-'));
  const server = await startPostgres({ settings });
  const url = await createDatabase(server.url, { name: 'chaos' });
  await migrate(url);
  const pool = new Pool({ connectionString: url, application_name: 'chaos harness' });
  pool.on('error', () => undefined);
  await pool.query(
    `CREATE SCHEMA chaos; CREATE TABLE chaos.ledger (id uuid PRIMARY KEY);
     CREATE TABLE chaos.counter (transactions bigint NOT NULL); INSERT INTO chaos.counter VALUES (0)`,
  );
  if (options.allParts) await pool.query(guardSql);
  await putTemplates(pool, { greeting: greetingFile, ...(options.allParts && { escalating: escalatingFile }) });
  const receivers = await startReceivers(join(folder, 'accepted.jsonl'));
  const proxies = {
    database: await startProxy(server.port),
    smtp: await startProxy(receivers.ports().smtp),
    webhook: await startProxy(receivers.ports().webhook),
  };
  const proxied = url.replace(`:${server.port}/`, `:${proxies.database.port}/`);
  const workers = await startCrew(options.workers, 'worker', (name, environment) =>
    startWorkerProgram(
      {
        url: proxied,
        name,
        smtpPort: proxies.smtp.port,
        webhookUrl: `http://127.0.0.1:${proxies.webhook.port}/hook`,
        impatient: true,
        logs: true,
      },
      environment,
    ),
  );
  const journals: string[] = [];
  const enqueuers = await startCrew(options.enqueuers, 'enqueuer', (name) => {
    const journal = join(folder, `${name}.jsonl`);
    journals.push(journal);
    const share = options.messages === undefined ? {} : { messages: Math.ceil(options.messages / options.enqueuers) };
    return startEnqueuerProgram({
      url: proxied,
      journal,
      pauseMs: options.pauseMs,
      allParts: options.allParts,
      ...share,
    });
  });
  const undoing = createUndoing();
  return {
    server,
    url,
    pool,
    proxies,
    receivers,
    workers,
    enqueuers,
    incidents: [],
    journals: () => journals,
    later: undoing.later,
    calm: undoing.runAll,
    async close() {
      await Promise.all([workers.killAll(), enqueuers.killAll(), receivers.close()]);
      await Promise.all([pool.end(), ...Object.values(proxies).map((proxy) => proxy.close())]);
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Undoing what lasts: by the clock, or all of it at once. */
function createUndoing() {
  const waiting = new Map<NodeJS.Timeout, Undo>();
  // What is to be undone may be gone by now.
  const run = async (undo: Undo) => {
    await Promise.resolve(undo()).catch(() => undefined);
  };
  return {
    later: (ms: number, undo: Undo): void => {
      const timer = setTimeout(() => {
        waiting.delete(timer);
        void run(undo);
      }, ms);
      waiting.set(timer, undo);
    },
    runAll: async (): Promise<void> => {
      for (const [timer, undo] of waiting) {
        clearTimeout(timer);
        waiting.delete(timer);
        await run(undo);
      }
    },
  };
}

/** Messages whose attempt is open, of one worker or of all, right now. Waits for a database that is about to come back. */
export async function inFlight(stage: Stage, worker?: string): Promise<string[]> {
  const statement = `SELECT id FROM herald.message WHERE status = 'sending' AND ($1::text IS NULL OR leased_by = $1)`;
  for (let tries = 1; ; tries += 1) {
    try {
      return (await stage.pool.query<{ id: string }>(statement, [worker ?? null])).rows.map((row) => row.id);
    } catch (error) {
      if (tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** A session of one's own, straight to the database. */
export async function session<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, application_name: 'chaos harness' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
