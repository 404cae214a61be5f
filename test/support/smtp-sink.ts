/** Postfix's fault server: misbehaves at the command it is told to, and writes down what it received. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from './daemons.ts';

export interface SmtpSink {
  readonly port: number;
  /** The messages in its own dump, also those it did not acknowledge; the sink's headers in front. */
  readonly mails: () => string[];
  /** Connections so far, without the one that looked whether it listens. */
  readonly connections: () => number;
  /** Commands so far, in order. */
  readonly commands: () => string[];
  readonly close: () => Promise<void>;
}

/** Options as in smtp-sink(1), for example `['-q', '.']`: hang up after the message instead of answering. */
export async function startSmtpSink(options: readonly string[], fixedPort?: number): Promise<SmtpSink> {
  const folder = mkdtempSync(join(tmpdir(), 'herald-sink-'));
  chmodSync(folder, 0o777);
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const daemon = await startDaemon(
    'smtp-sink',
    (port) => ['-v', ...user, ...['-d', join(folder, 'mail.')], ...options, `127.0.0.1:${port}`, '20'],
    fixedPort === undefined ? {} : { port: fixedPort },
  );
  const lines = () => daemon.output().split('\n');
  return {
    port: daemon.port,
    mails: () =>
      readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), 'latin1'))
        // A transaction that got no further than MAIL leaves a file, too.
        .filter((text) => /^Message-ID:/im.test(text)),
    connections: () => lines().filter((line) => line.includes(': connect (')).length - 1,
    commands: () =>
      lines().flatMap(
        (line) =>
          /^smtp-sink: ((?:EHLO|HELO|MAIL|RCPT|DATA|RSET|QUIT|AUTH|STARTTLS|\.)(?: .*)?)$/.exec(line)?.[1] ?? [],
      ),
    close: async () => {
      await daemon.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
