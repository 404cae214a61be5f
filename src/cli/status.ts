import type { Command } from 'commander';
import type { PauseState } from '../operate/pause.ts';
import type { SenderState } from '../operate/senders.ts';
import { type MethodStatus, type ReadOnly, readStatus, type Status } from '../operate/status.ts';
import type { RegisteredWorker } from '../operate/workers.ts';
import { type CommonOptions, tableCommand, withPool } from './command.ts';
import {
  ageText,
  color,
  plural,
  print,
  printJson,
  printTable,
  printWrapped,
  timeText,
  withoutBreaks,
} from './output.ts';

/** `pg-herald status` */
export function statusCommand(): Command {
  return tableCommand(
    'status',
    'Show whether messages are delivered: backlog, age, failures, pauses and workers',
    'status',
  ).action((options: CommonOptions) =>
    withPool(options, async (pool) => {
      const status = await readStatus(pool);
      if (options.json) return printJson(status);
      printTable(
        ['method', 'pending', 'sending', 'held', 'oldest due', 'sent 1h', 'failed 1h'],
        status.methods.map(methodRow),
        'no methods: run "pg-herald migrate"',
      );
      print(`\n${workersText(status)}`);
      for (const worker of status.registeredWorkers.filter(({ alive }) => alive))
        for (const line of workerLines(worker)) printWrapped(line, 2);
      for (const { method } of status.methods.filter(({ unserved }) => unserved))
        printWrapped(color('yellow', `no worker delivers ${method}`));
      for (const { method, guardFailed } of status.methods.filter((each) => each.guardFailed > 0))
        printWrapped(color('yellow', `${method}: the guard did not answer for ${plural(guardFailed, 'message')}`));
      for (const { method, quiet } of status.methods.filter(({ quiet }) => quiet > 0))
        printWrapped(
          `${method}: ${quiet} of the pending messages ${quiet === 1 ? 'waits' : 'wait'} for quiet hours to end`,
        );
      if (status.readOnly !== null) printWrapped(color('red', readOnlyTexts[status.readOnly]));
      for (const pause of status.pauses) printWrapped(color('yellow', withoutBreaks(pauseText(pause))));
      for (const sender of status.senders) printWrapped(color('yellow', withoutBreaks(senderText(sender))));
    }),
  );
}

function methodRow(status: MethodStatus): string[] {
  return [
    status.method,
    String(status.pending),
    String(status.sending),
    String(status.held),
    status.oldestDueSeconds < 1 ? '-' : ageText(status.oldestDueSeconds),
    String(status.sentLastHour),
    String(status.failedLastHour),
  ];
}

/** A worker that is connected and does not report cannot write to the database. */
function workersText({ workers, registeredWorkers }: Status): string {
  const silent = workers - registeredWorkers.filter(({ alive }) => alive).length;
  const connected = `${plural(workers, 'worker')} connected`;
  return silent > 0 ? color('yellow', `${connected}, ${silent} of them did not report in the last minute`) : connected;
}

function workerLines({ name, methods, version, startedAt, errors }: RegisteredWorker): string[] {
  return [
    withoutBreaks(`  ${name}: ${methods.join(', ')}; version ${version}, since ${timeText(startedAt)} UTC`),
    ...errors.map((error) => color('yellow', withoutBreaks(`  ${name}: ${errorText(error)}`))),
  ];
}

function errorText({ what, code, at, count }: RegisteredWorker['errors'][number]): string {
  const age = Math.max(0, (Date.now() - Date.parse(at)) / 1000);
  return `${what} failed (${code}), ${plural(count, 'time')}, last ${ageText(age)} ago`;
}

const readOnlyTexts: Readonly<Record<ReadOnly, string>> = {
  standby:
    'the database is a read-only standby: nothing is enqueued or delivered here until it is promoted or the ' +
    'connection points at the primary',
  setting:
    'the database is read-only (default_transaction_read_only): nothing is enqueued or delivered until this ' +
    'setting is off',
};

function pauseText({ method, since, by, kind, reason, detail, probeAt }: PauseState): string {
  const name = method === '*' ? 'everything' : method;
  const cause = [kind === 'fault' ? 'the method has a fault' : '', reason, detail].filter(Boolean).join(', ');
  const probe = probeAt === null ? '' : `; next probe ${timeText(probeAt)}`;
  return `${name} is paused since ${timeText(since)} UTC by ${by ?? '?'}: ${cause}${probe}`;
}

function senderText({ method, name, pausedSince, reason, detail, probeAt, maxConnections }: SenderState): string {
  const paused = pausedSince === null ? [] : [`paused since ${timeText(pausedSince)} UTC: ${reason}, ${detail}`];
  const probe = pausedSince !== null && probeAt !== null ? [`next probe ${timeText(probeAt)}`] : [];
  const fewer = maxConnections === null ? [] : [`its server accepts ${maxConnections} connections from each worker`];
  return `${method} sender ${name}: ${[...paused, ...probe, ...fewer].join('; ')}`;
}
