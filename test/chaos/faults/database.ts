/** A database that restarts, crashes, cuts its clients off, is full, or locks what others want. */
import { Client } from 'pg';
import { until } from '../../support/wait.ts';
import { pick } from '../random.ts';
import { inFlight, type Stage, session } from '../stage.ts';
import { type Fault, wait } from './fault.ts';

function restart(name: string, how: 'fast' | 'immediate'): Fault {
  return {
    name,
    weight: 1,
    touched: 'database',
    async inject(stage) {
      await stage.server.restart(how);
      return { inFlight: await inFlight(stage) };
    },
  };
}

export const restartDatabase = restart('restart the database (fast)', 'fast');
export const crashDatabase = restart('crash the database (immediate)', 'immediate');

const others = `datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'chaos harness'`;

const cutSessions = (stage: Stage, share: number) =>
  session(stage.url, (client) =>
    client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${others} AND random() < $1`, [share]),
  );

export const terminateBackends: Fault = {
  name: 'pg_terminate_backend',
  weight: 3,
  touched: 'database',
  async inject(stage, random) {
    await cutSessions(stage, random());
    return { inFlight: await inFlight(stage) };
  },
};

/** Takes every connection that is left, cuts some of the others and takes these too. */
export const eatConnections: Fault = {
  name: 'all connections of the database taken',
  weight: 1,
  touched: 'database',
  async inject(stage) {
    const caught = await inFlight(stage);
    const eaten: Client[] = [];
    const eat = async () => {
      for (let tries = 0; tries < 200; tries += 1) {
        const client = new Client({ connectionString: stage.url, application_name: 'chaos harness' });
        client.on('error', () => undefined);
        if (
          !(await client.connect().then(
            () => true,
            () => false,
          ))
        )
          return;
        eaten.push(client);
      }
    };
    await eat();
    await eaten[0]?.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${others} AND random() < 0.5`);
    await eat();
    await wait(2000);
    await Promise.all(eaten.map((client) => client.end().catch(() => undefined)));
    return { inFlight: caught };
  },
};

export const lockMessages: Fault = {
  name: 'the message table locked',
  weight: 2,
  touched: 'database',
  async inject(stage, random) {
    const ms = 300 + random() * 1500;
    await session(stage.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE herald.message IN ACCESS EXCLUSIVE MODE');
      await wait(ms);
      await client.query('COMMIT');
    });
    return {};
  },
};

/** Locks what is being delivered, against the order in which workers do. The others find the deadlock first, and lose. */
export const deadlocks: Fault = {
  name: 'deadlocks with what is being delivered',
  weight: 2,
  touched: 'database',
  async inject(stage) {
    await session(stage.url, async (client) => {
      await client.query(`SET deadlock_timeout = '20s'; SET lock_timeout = '3s'`);
      for (let round = 0; round < 3; round += 1) {
        const { rows } = await client.query<{ id: string }>(
          `SELECT id FROM herald.message WHERE settled_at IS NULL ORDER BY (status = 'sending') DESC, id DESC LIMIT 60`,
        );
        await client.query('BEGIN');
        for (const { id } of rows.toSorted((a, b) => (a.id < b.id ? 1 : -1)))
          await client.query('SELECT FROM herald.message WHERE id = $1 FOR UPDATE', [id]);
        await client.query('ROLLBACK');
      }
    });
    return {};
  },
};

/** Every session becomes serializable for a while, the workers' too: their statements fail whenever two meet. */
export const serializable: Fault = {
  name: 'serialization failures: every session serializable',
  weight: 1,
  touched: 'database',
  async inject(stage) {
    const caught = await inFlight(stage);
    const set = (what: string) => session(stage.url, (client) => client.query(`ALTER DATABASE chaos ${what}`));
    await set(`SET default_transaction_isolation = 'serializable'`);
    await cutSessions(stage, 1);
    await wait(3000);
    await set('RESET default_transaction_isolation');
    await cutSessions(stage, 1);
    return { inFlight: caught };
  },
};

/**
 * A disk that is full, as clients see it: SQLSTATE 53100 at a write, the statement rolled back. Raised by a trigger, because a
 * file system of a chosen size needs root; a full disk of the write-ahead log is a crash, which has its own fault.
 */
export const diskFull: Fault = {
  name: 'disk full (53100, raised by a trigger)',
  weight: 1,
  touched: 'database',
  async inject(stage, random) {
    const table = pick(['herald.message', 'herald.attempt', 'herald_queue.job'], random);
    const schema = (text: string) =>
      // Workers are to lose the deadlocks with a change of the schema, not this session.
      session(stage.url, (client) => client.query(`SET deadlock_timeout = '20s'; ${text}`));
    await schema(
      `CREATE OR REPLACE FUNCTION chaos.disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
       CREATE OR REPLACE TRIGGER disk_full BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION chaos.disk_full()`,
    );
    await wait(1000 + random() * 1500);
    await until(() => schema(`DROP TRIGGER disk_full ON ${table}`), {
      timeoutMs: 60_000,
      what: 'the disk to have room',
    });
    return {};
  },
};
