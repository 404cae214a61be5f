/** The faults that are injected, each a few lines, and a random source that can be replayed. */
import { Client } from 'pg';
import type { PostgresServer } from '../support/postgres/server.ts';
import { type Program, startProgram } from '../support/processes.ts';

/** mulberry32: small, seeded, good enough to choose faults. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Processes that are started again whenever they were killed. */
export interface Crew {
  readonly members: Program[];
  replace(index: number): Promise<void>;
}

export async function startCrew(size: number, start: () => Program): Promise<Crew> {
  const members = Array.from({ length: size }, start);
  await Promise.all(members.map((member) => member.line(/ready/, { timeoutMs: 60_000 })));
  return {
    members,
    async replace(index) {
      members[index] = start();
    },
  };
}

export interface Scene {
  readonly server: PostgresServer;
  readonly url: string;
  readonly workers: Crew;
  readonly enqueuers: Crew;
  readonly random: () => number;
  /** Makes the receivers slow until this time. */
  slowUntil: number;
}

const pick = (crew: Crew, random: () => number) => Math.floor(random() * crew.members.length);
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function admin(url: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function kill(crew: Crew, random: () => number): Promise<void> {
  const index = pick(crew, random);
  await crew.members[index]?.kill('SIGKILL');
  await crew.replace(index);
}

/** Every kind of fault by name; the weight says how often. */
export const faults: Readonly<Record<string, { weight: number; inject: (scene: Scene) => Promise<unknown> }>> = {
  'kill a worker': { weight: 6, inject: ({ workers, random }) => kill(workers, random) },
  'kill an enqueuer in a transaction': { weight: 3, inject: ({ enqueuers, random }) => kill(enqueuers, random) },
  'stop a worker for a while': {
    weight: 2,
    inject: async ({ workers, random }) => {
      const member = workers.members[pick(workers, random)];
      if (member === undefined) return;
      process.kill(member.pid, 'SIGSTOP');
      // Longer than a lease, or not.
      setTimeout(() => member.running() && process.kill(member.pid, 'SIGCONT'), random() < 0.5 ? 3000 : 25_000);
    },
  },
  'end a worker by SIGTERM and start another': {
    weight: 2,
    inject: async ({ workers, random }) => {
      const index = pick(workers, random);
      const member = workers.members[index];
      await workers.replace(index);
      void member?.kill('SIGTERM');
    },
  },
  'cut connections': {
    weight: 4,
    inject: ({ url, random }) =>
      admin(url, (client) =>
        client.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < $1',
          [random()],
        ),
      ),
  },
  'restart the database': { weight: 1, inject: ({ server }) => server.restart('fast') },
  'crash the database': { weight: 1, inject: ({ server }) => server.restart('immediate') },
  'lock the messages': {
    weight: 2,
    inject: ({ url }) =>
      admin(url, async (client) => {
        await client.query('BEGIN; LOCK TABLE herald.message IN ACCESS EXCLUSIVE MODE');
        await wait(700);
        await client.query('COMMIT');
      }),
  },
  'slow receivers': {
    weight: 2,
    inject: async (scene) => {
      scene.slowUntil = Date.now() + 2000;
    },
  },
};

/** One fault, chosen by weight. Answers with its name. */
export async function injectOne(scene: Scene): Promise<string> {
  const total = Object.values(faults).reduce((sum, fault) => sum + fault.weight, 0);
  let at = scene.random() * total;
  for (const [name, fault] of Object.entries(faults)) {
    at -= fault.weight;
    if (at > 0) continue;
    await fault.inject(scene).catch(() => undefined);
    return name;
  }
  return 'none';
}

export function startWorkerProgram(options: object): Program {
  return startProgram(new URL('../delivery/worker-program.ts', import.meta.url), {
    env: { HERALD_TEST_WORKER: JSON.stringify(options) },
  });
}

export function startEnqueuerProgram(url: string): Program {
  return startProgram(new URL('enqueuer.ts', import.meta.url), { env: { DATABASE_URL: url } });
}
