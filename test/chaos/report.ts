/** What a run says at its end. */
import type { Bound, Measured } from './bounds.ts';

export interface Report extends Measured {
  readonly seed: number;
  /** Until everything was settled once the calm had begun. */
  readonly settledMs: number;
  /** Lines in the workers' logs. */
  readonly logLines: number;
  readonly logLinesWhileAway?: number;
  /** Codes of errors in the workers' logs, with how often: shows that the faults arrived. */
  readonly codes: Readonly<Record<string, number>>;
  /** Faults by kind. */
  readonly faults: Readonly<Record<string, number>>;
  readonly bounds: readonly Bound[];
}

export function printReport(report: Report, say: (text: string) => void): void {
  const counts = (record: Readonly<Record<string, number>>) =>
    Object.entries(record)
      .toSorted(([, a], [, b]) => b - a)
      .map(([name, count]) => `${count} x ${name}`)
      .join('\n            ');
  const { longestRecoveryMs: recovery } = report;
  say(`faults      ${counts(report.faults)}`);
  say(`errors      ${counts(report.codes) || 'none'}; ${report.logLines} log lines of workers`);
  if (report.logLinesWhileAway !== undefined) say(`while away  ${report.logLinesWhileAway} log lines of workers`);
  say(
    `messages    ${report.committed} committed, ${report.rolledBack} rolled back, ${report.delivered} delivered, ${report.needless} needless`,
  );
  say(
    `duplicates  ${report.duplicates}, explained ${report.explained}, in flight at faults ${report.inFlightAtFaults}`,
  );
  say(
    `recovery    killed worker ${recovery.killedWorker} ms, database ${recovery.database} ms, end ${report.settledMs} ms`,
  );
  for (const { name, measured, most, holds } of report.bounds)
    say(`${holds ? 'ok   ' : 'BROKEN'} ${name}: ${measured} (at most ${most})`);
}
