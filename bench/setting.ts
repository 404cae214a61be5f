/** What every group of rows stands on: a server with the settings of production, databases of their own, programs. */
import { cpus, release, totalmem } from 'node:os';
import { Pool } from 'pg';
import { migrate } from '../src/database/migrate.ts';
import { syncTemplates } from '../src/templates/catalog.ts';
import { readTemplates, shippedTemplatesFolder } from '../src/templates/files.ts';
import { createDatabase, databaseUrl, freezeTemplate } from '../test/support/postgres/databases.ts';
import { startPostgres } from '../test/support/postgres/server.ts';
import { type Child, type ChildOptions, startChild } from './programs.ts';

/** Durable as in production; memory as on a small server. Everything else is PostgreSQL's default. */
export const serverSettings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '1GB',
  effective_cache_size: '4GB',
  maintenance_work_mem: '256MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
  max_connections: '200',
} as const;

export interface Size {
  readonly rounds: number;
  /** Multiplies every number of messages. */
  readonly share: number;
  /** Settled messages for `scale.history`. */
  readonly history: number;
  /** Seconds of a latency measurement. */
  readonly seconds: number;
}

export const sizes = {
  full: { rounds: 5, share: 1, history: 2_000_000, seconds: 8 },
  quick: { rounds: 1, share: 0.03, history: 20_000, seconds: 1 },
} as const satisfies Record<string, Size>;

export interface Setting {
  readonly size: Size;
  readonly progress: (line: string) => void;
  /** A migrated database with the shipped templates and the methods `smtp`, `webhook`, `inbox` and `noop`. */
  database(): Promise<Database>;
  /** Starts a program that ends with the group. */
  start(program: string, input: unknown, options?: Pick<ChildOptions, 'nodeOptions'>): Promise<Child>;
  /** Something else that has to be ended with the group. */
  ending(end: () => Promise<unknown>): void;
}

export interface Database {
  readonly url: string;
  readonly pool: Pool;
}

export interface Server {
  readonly version: string;
  /** Runs a group of rows and ends whatever it started. */
  use<T>(work: (setting: Setting) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly size: Size;
  readonly progress: (line: string) => void;
  readonly profile?: string | undefined;
}

const template = 'bench_template';

export async function startServer(options: ServerOptions): Promise<Server> {
  const server = await startPostgres({ settings: serverSettings });
  const url = await createDatabase(server.url, { name: template });
  await migrate(url, { methods: ['noop'] });
  const { sources } = await readTemplates(shippedTemplatesFolder);
  const pool = new Pool({ connectionString: url, max: 1 });
  await syncTemplates(pool, sources);
  const version = await pool.query<{ server_version: string }>('SHOW server_version');
  await pool.end();
  await freezeTemplate(server.url, template);
  let databases = 0;
  return {
    version: `PostgreSQL ${version.rows[0]?.server_version}, ${server.source}`,
    async use(work) {
      const endings: (() => Promise<unknown>)[] = [];
      const setting: Setting = {
        size: options.size,
        progress: options.progress,
        async database() {
          const name = `bench_${++databases}`;
          await createDatabase(server.url, { name, template });
          const own = { url: databaseUrl(server.url, name), pool: poolOf(databaseUrl(server.url, name)) };
          endings.unshift(() => own.pool.end());
          return own;
        },
        async start(program, input, { nodeOptions = [] } = {}) {
          const child = await startChild(program, input, { profile: options.profile, nodeOptions });
          endings.unshift(() => child.end());
          return child;
        },
        ending: (end) => void endings.unshift(end),
      };
      try {
        return await work(setting);
      } finally {
        for (const end of endings) await end();
      }
    },
    stop: () => server.stop(),
  };
}

function poolOf(connectionString: string): Pool {
  const pool = new Pool({ connectionString, max: 10 });
  pool.on('error', () => undefined);
  return pool;
}

/** A number of messages, as many as this run's size wants. */
export function share({ size }: Setting, count: number): number {
  return Math.ceil(count * size.share);
}

export function machine(postgres: string): Readonly<Record<string, string | number>> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    node: process.version,
    postgres,
  };
}
