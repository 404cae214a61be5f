/** PgBouncer in front of a test's database. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from './daemons.ts';

export interface PgBouncer {
  /** Connection string of the database through the pooler. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

export interface PgBouncerOptions {
  /** Default `transaction`. */
  readonly mode?: 'transaction' | 'session';
  /** Lines for the section `[pgbouncer]`. */
  readonly more?: readonly string[];
}

/** Starts a pooler with five connections to the server. */
export async function startPgBouncer(
  databaseUrl: string,
  { mode = 'transaction', more = [] }: PgBouncerOptions = {},
): Promise<PgBouncer> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const name = pathname.slice(1);
  const folder = mkdtempSync(join(tmpdir(), 'herald-pgbouncer-'));
  chmodSync(folder, 0o755);
  const login = `user=${decodeURIComponent(username)}${password ? ` password=${decodeURIComponent(password)}` : ''}`;
  const file = (listenPort: number) => {
    const path = join(folder, 'pgbouncer.ini');
    const lines = [
      '[databases]',
      `${name} = host=${hostname} port=${port} ${login}`,
      '[pgbouncer]',
      `listen_addr = 127.0.0.1\nlisten_port = ${listenPort}\nunix_socket_dir =\nauth_type = any`,
      `pool_mode = ${mode}\ndefault_pool_size = ${mode === 'session' ? 40 : 5}`,
      ...more,
    ];
    writeFileSync(path, `${lines.join('\n')}\n`);
    return path;
  };
  // It does not run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const daemon = await startDaemon('pgbouncer', (listenPort) => [...user, file(listenPort)]);
  return {
    url: `postgres://${username}@127.0.0.1:${daemon.port}/${name}`,
    close: async () => {
      await daemon.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
