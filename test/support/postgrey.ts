/** postgrey, the greylisting policy server of Debian, on a port of its own with a database of its own. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from './daemons.ts';

export interface Postgrey {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** Puts every sender, recipient and network that it has not seen off for so many seconds. */
export async function startPostgrey(delaySeconds: number): Promise<Postgrey> {
  const folder = mkdtempSync(join(tmpdir(), 'herald-postgrey-'));
  chmodSync(folder, 0o777);
  const nobody = join(folder, 'whitelist');
  writeFileSync(nobody, '');
  const daemon = await startDaemon('postgrey', (port) => [
    `--inet=127.0.0.1:${port}`,
    `--delay=${delaySeconds}`,
    `--dbdir=${folder}`,
    '--user=nobody',
    '--group=nogroup',
    `--whitelist-clients=${nobody}`,
    `--whitelist-recipients=${nobody}`,
    '--auto-whitelist-clients=0',
  ]);
  return {
    port: daemon.port,
    close: async () => {
      await daemon.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
