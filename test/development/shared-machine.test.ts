/** `pg-herald dev` on a machine that others use too: they get neither the database nor anything by a planted link. */
import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ProjectDatabase, startProjectDatabase } from '../../src/development/project-database.ts';

const isRoot = process.getuid?.() === 0;
const path = process.env['PATH'] ?? '';

async function temporaryFolder(mode: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'herald-shared-'));
  await chmod(folder, mode);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function connect(url: string | URL): Promise<Client> {
  const client = new Client({ connectionString: String(url) });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

describe("the project's database", { timeout: 120_000 }, () => {
  let project: string;
  let database: ProjectDatabase;
  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'herald-shared-'));
    await chmod(project, 0o755);
    database = await startProjectDatabase(project, path);
  });
  afterAll(async () => {
    await database?.stop();
    await rm(project, { recursive: true, force: true });
  });

  test.each([
    ['no password', 'app', ''],
    ['a wrong password', 'app', 'guess'],
    ['no password, as the superuser', 'postgres', ''],
    ['a wrong password, as the superuser', 'postgres', 'postgres'],
  ])('refuses %s', async (_, user, password) => {
    for (const name of ['app', 'postgres', 'template1']) {
      const url = new URL(database.url);
      Object.assign(url, { username: user, password, pathname: `/${name}` });
      await expect(connect(url)).rejects.toThrow(/password/);
    }
  });

  test('refuses them on its socket too', async () => {
    const { port } = new URL(database.url);
    const host = join(project, '.pg-herald/postgres');
    const client = new Client({ host, port: Number(port), user: 'postgres', database: 'postgres', password: '' });
    await expect(client.connect()).rejects.toThrow();
    const rules = await readFile(join(host, 'data/pg_hba.conf'), 'utf8');
    expect(rules.split('\n').filter((line) => /^[^#].*\btrust\b/.test(line))).toEqual([]);
  });

  test('gives the application a role that owns its database and can run nothing on the machine', async () => {
    const client = await connect(database.url);
    try {
      const { rows } = await client.query(
        'SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = current_user',
      );
      const none = { rolsuper: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false };
      expect(rows).toEqual([{ rolname: 'app', ...none }]);
      await client.query('CREATE SCHEMA example');
      await expect(client.query(`COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'`)).rejects.toThrow(
        /permission denied|must be superuser/,
      );
      await expect(client.query(`COPY (SELECT 1) TO '/tmp/pg-herald-owned'`)).rejects.toThrow(
        /permission denied|must be superuser/,
      );
      await expect(client.query(`SELECT pg_read_file('/etc/passwd')`)).rejects.toThrow(
        /permission denied|must be superuser/,
      );
    } finally {
      await client.end();
    }
  });

  test('keeps its passwords in files that only their owner can read', async () => {
    for (const name of ['password', 'superuser-password']) {
      const found = await stat(join(project, '.pg-herald', name));
      expect([found.uid, found.mode & 0o777]).toEqual([process.getuid?.(), 0o600]);
    }
    expect((await stat(join(project, '.pg-herald'))).mode & 0o066).toBe(0);
    expect((await stat(join(project, '.pg-herald/postgres'))).mode & 0o077).toBe(0);
    const password = (await readFile(join(project, '.pg-herald/password'), 'utf8')).trim();
    expect(new URL(database.url).password).toBe(password);
    expect(password.length).toBeGreaterThanOrEqual(32);
  });
});

describe('a planted folder', () => {
  const victimOf = async (): Promise<string> => {
    const victim = await temporaryFolder(0o755);
    await mkdir(join(victim, 'postgres'));
    return victim;
  };
  const owners = async (folder: string) => [
    (await lstat(folder)).uid,
    (await lstat(folder)).mode,
    (await lstat(join(folder, 'postgres'))).uid,
  ];

  test('that is a link in the project is refused, and what it points to stays as it was', async () => {
    const [project, victim] = [await temporaryFolder(0o755), await victimOf()];
    await symlink(victim, join(project, '.pg-herald'));
    const before = await owners(victim);
    await expect(startProjectDatabase(project, path)).rejects.toThrow(/\.pg-herald is not a folder/);
    expect(await owners(victim)).toEqual(before);
  });

  test('that is a link one level down is refused as well', async () => {
    const [project, victim] = [await temporaryFolder(0o755), await victimOf()];
    await mkdir(join(project, '.pg-herald'), { mode: 0o755 });
    await symlink(victim, join(project, '.pg-herald/postgres'));
    const before = await owners(victim);
    await expect(startProjectDatabase(project, path)).rejects.toThrow(/is not a folder/);
    expect(await owners(victim)).toEqual(before);
  });

  test('that others may write to is refused', async () => {
    const project = await temporaryFolder(0o755);
    await mkdir(join(project, '.pg-herald'));
    await chmod(join(project, '.pg-herald'), 0o777);
    await expect(startProjectDatabase(project, path)).rejects.toThrow(/other users may write to/);
  });

  describe.skipIf(!isRoot)('in the temporary folder of root', () => {
    const planted = async () => {
      const [project, temporary] = [await temporaryFolder(0o700), await temporaryFolder(0o777)];
      vi.stubEnv('TMPDIR', temporary);
      onTestFinished(() => void vi.unstubAllEnvs());
      const name = createHash('sha256').update(project).digest('hex').slice(0, 12);
      return { project, place: join(temporary, `pg-herald-dev-${name}`) };
    };

    test('as a link is refused, and what it points to stays as it was', async () => {
      const [{ project, place }, victim] = [await planted(), await victimOf()];
      await symlink(victim, place);
      const before = await owners(victim);
      await expect(startProjectDatabase(project, path)).rejects.toThrow(/is not a folder/);
      expect(await owners(victim)).toEqual(before);
    });

    test('as a folder of another user is refused', async () => {
      const { project, place } = await planted();
      await mkdir(place);
      await chown(place, 65534, 65534);
      await expect(startProjectDatabase(project, path)).rejects.toThrow(/belongs to another user/);
    });
  });
});
