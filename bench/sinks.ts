/** Receivers in processes of their own. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { certificate } from '../test/support/certificates.ts';
import { until } from '../test/support/wait.ts';
import type { Child } from './programs.ts';
import { answers, freePort } from './redis.ts';
import type { Setting } from './setting.ts';

const postfixSink = ['/usr/sbin/smtp-sink', '/usr/bin/smtp-sink'].find((path) => existsSync(path));

/** Port of an SMTP server without TLS: Postfix's smtp-sink if it is installed, else ours. */
export async function startSmtpSink(setting: Setting): Promise<{ readonly port: number; readonly name: string }> {
  if (postfixSink === undefined) return { port: await portOf(await setting.start('smtp-sink', {})), name: 'own sink' };
  const port = await freePort();
  // Root must say as whom it shall run.
  const as = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child = spawn(postfixSink, [...as, `127.0.0.1:${port}`, '1000'], { stdio: 'ignore' });
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  setting.ending(async () => {
    process.off('exit', killNow);
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit');
  });
  await until(() => answers(port), { what: 'smtp-sink' });
  return { port, name: 'smtp-sink' };
}

/** Port of an SMTP server with STARTTLS. */
export async function startTlsSink(setting: Setting): Promise<number> {
  return portOf(await setting.start('smtp-sink', { tls: certificate('localhost') }));
}

export function portOf(child: Child): Promise<number> {
  return child.ask<number>('port');
}
