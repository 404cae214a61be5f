/** A standby of a test's server: follows it by streaming, and can be promoted. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serverAccount } from '../../../src/development/postgres/binaries.ts';
import { systemBinaries } from '../../../src/development/postgres/binaries.ts';
import { type PostgresServer, startPostgres } from './server.ts';

const copyMs = 60_000;

/** Whether the system's PostgreSQL can copy a running server; the packaged one cannot. */
export async function canStandBy(): Promise<boolean> {
  const search = { account: await serverAccount(), path: process.env['PATH'] };
  const found = await systemBinaries(search).catch(() => null);
  return found !== null && existsSync(join(found.folder, 'pg_basebackup'));
}

/** Copies a running server of the system's programs and follows it. `stop` removes its folder. */
export async function startStandby(
  primary: PostgresServer,
  settings: Readonly<Record<string, string>>,
): Promise<PostgresServer> {
  const account = await serverAccount();
  const folder = await mkdtemp(join(tmpdir(), 'pg-herald-standby-'));
  try {
    if (account) await chown(folder, account.uid, account.gid);
    await promisify(execFile)(
      join(primary.binaries ?? '', 'pg_basebackup'),
      [
        ['--host', '127.0.0.1', '--port', String(primary.port), '--username', 'postgres'],
        ['--pgdata', join(folder, 'data'), '--write-recovery-conf', '--wal-method', 'stream'],
        ['--checkpoint', 'fast', '--no-sync'],
      ].flat(),
      { ...account, cwd: folder, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, timeout: copyMs },
    );
    const server = await startPostgres({ folder, settings, source: primary.source });
    const { stop } = server;
    return Object.assign(server, { stop: () => stop().then(() => rm(folder, { recursive: true, force: true })) });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
