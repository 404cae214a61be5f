import type { Command } from 'commander';
import type { Pool } from 'pg';
import type { EndpointDetails, EndpointSummary } from '../operate/endpoint-details.ts';
import { type Endpoints, endpoints } from '../operate/endpoints.ts';
import { createSecretBox } from '../secrets.ts';
import { addEndpointCommand } from './add-endpoint.ts';
import { isUuid } from '../vocabulary.ts';
import { duration } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, commandGroup, tableCommand, withPool } from './command.ts';
import { readBrand, readEgress, readSecretKeys } from './config.ts';
import {
  CommandFailed,
  color,
  plural,
  print,
  printStderr,
  printFields,
  printJson,
  printTable,
  timeText,
  UsageError,
} from './output.ts';
import { confirm } from './prompt.ts';

/** `pg-herald endpoints` */
export function endpointsCommand(): Command {
  return commandGroup('endpoints', 'Manage the receivers of webhooks and chat posts', [
    addEndpointCommand(),
    listCommand(),
    showCommand(),
    testCommand(),
    rotateCommand(),
    resealCommand(),
    disableCommand(),
    enableCommand(),
    removeCommand(),
    replayCommand(),
  ]);
}

const stateColors = { healthy: 'green', failing: 'yellow', open: 'yellow', disabled: 'red' } as const;

function stateText({ state, disabledReason, failingSince, probeAt }: EndpointSummary): string {
  const more = {
    healthy: '',
    failing: failingSince === null ? '' : ` since ${timeText(failingSince)}`,
    open: probeAt === null ? '' : `, next probe ${timeText(probeAt)}`,
    disabled: ` (${disabledReason ?? ''})`,
  };
  return color(stateColors[state], state) + more[state];
}

function listCommand(): Command {
  return tableCommand(
    'list',
    'List all endpoints, their state, and how many messages wait for them',
    'endpoints list',
  ).action((options: CommonOptions) =>
    withPool(options, async (pool) => {
      const all = await endpoints(pool).list();
      if (options.json) return printJson(all);
      printTable(
        ['id', 'name', 'for', 'groups', 'host', 'format', 'state', 'waiting'],
        all.map((e) => [
          e.id,
          e.name,
          e.recipientId ?? (e.tenant === null ? 'everyone' : `tenant ${e.tenant}`),
          e.groups.join(', ') || 'all',
          e.urlHost,
          e.format,
          stateText(e),
          e.waiting >= 10_000 ? '10000+' : String(e.waiting),
        ]),
        'no endpoints: add one with "pg-herald endpoints add"',
        { neverCut: ['id'], dropFirst: ['format', 'groups', 'host', 'for'] },
      );
    }),
  );
}

function showCommand(): Command {
  return tableCommand('show', 'Show one endpoint with its limits, but not its URL, secrets or headers', {
    example: 'endpoints show 0199f3a0-7b1c-4000-8000-00000000002a',
    seeAlso: ['endpoints list', 'endpoints test'],
  })
    .argument('<id>', 'id of an endpoint')
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const endpoint = await detailsOf(pool, id);
        if (options.json) printJson(endpoint);
        else printFields({ ...endpoint, state: stateText(endpoint) });
      }),
    );
}

function removeCommand(): Command {
  return command('remove', 'Delete an endpoint and its secrets permanently. Messages that wait for it are cancelled', {
    example: 'endpoints remove 0199f3a0-7b1c-4000-8000-00000000002a',
    notes: [
      'To hold its messages instead, use "endpoints disable".',
      'If stdin is not a terminal, it changes nothing and exits with 2, unless --yes is given.',
    ],
    seeAlso: ['endpoints disable'],
  })
    .argument('<id>', 'id of an endpoint')
    .option('--yes', 'do not ask for confirmation')
    .action((id: string, options: CommonOptions & { yes?: boolean }) =>
      withPool(options, async (pool) => {
        const endpoint = await detailsOf(pool, id);
        const object = `${endpoint.name} (${endpoint.urlHost}) and cancel the messages waiting for it`;
        await confirm({ verb: 'delete', object }, options);
        const cancelled = await endpoints(pool).remove(id);
        if (cancelled === null) throw noSuchEndpoint(id);
        await recordCommand(pool, { action: 'endpoints remove', subject: id, detail: { cancelled } });
        if (options.json) return printJson({ id, cancelled });
        print(`removed; ${plural(cancelled, 'message')} cancelled`);
      }),
    );
}

function testCommand(): Command {
  return command(
    'test',
    'Send a signed ping and explain the reply. The exit code is 1 if the endpoint does not accept it',
    'endpoints test 0199f3a0-7b1c-4000-8000-00000000002a',
  )
    .argument('<id>', 'id of an endpoint')
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const answer = await withSecrets(pool).ping(endpointId(id), { appName: readBrand().appName });
        if (answer === null) throw noSuchEndpoint(id);
        if (options.json) printJson(answer);
        else
          print(
            `${answer.status === null ? 'no answer' : `HTTP ${answer.status}`} after ${answer.milliseconds} ` +
              `ms: ${answer.explanation} (webhook-id ${answer.messageId})`,
          );
        if (!answer.accepted) throw new CommandFailed();
      }),
    );
}

function rotateCommand(): Command {
  return command(
    'rotate',
    'Give an endpoint a new signing secret. The previous one stays valid for a day',
    'endpoints rotate 0199f3a0-7b1c-4000-8000-00000000002a',
  )
    .argument('<id>', 'id of an endpoint')
    .option('--overlap <time>', 'how long the previous secret stays valid, for example 2h; 0s after a leak', duration)
    .action((id: string, options: CommonOptions & { overlap?: number }) =>
      withPool(options, async (pool) => {
        const secret = await withSecrets(pool).rotate(endpointId(id), {
          ...(options.overlap !== undefined && { overlapSeconds: options.overlap / 1000 }),
        });
        if (secret === null) throw noSuchEndpoint(id);
        await recordCommand(pool, { action: 'endpoints rotate', subject: id });
        if (options.json) return printJson({ id, secret });
        printStderr('New signing secret, shown only once:');
        print(secret);
      }),
    );
}

function resealCommand(): Command {
  return command('reseal', 'Encrypt all endpoints with the current key, so that you can remove older keys', {
    example: 'endpoints reseal',
    notes: [
      'HERALD_SECRET_KEY has the new key in front of the old ones. After this command the old ones are needed only ' +
        'for secret labels of pending messages.',
    ],
    seeAlso: ['endpoints rotate', 'doctor'],
  }).action((options: CommonOptions) =>
    withPool(options, async (pool) => {
      const report = await withSecrets(pool).reseal();
      await recordCommand(pool, { action: 'endpoints reseal', subject: null, detail: { ...report } });
      if (options.json) printJson(report);
      else print(`${plural(report.resealed, 'endpoint')} encrypted again, ${report.current} had the current key`);
      if (report.unreadable.length === 0) return;
      throw new CommandFailed(
        `cannot decrypt ${report.unreadable.join(', ')}: add the key that encrypted them to HERALD_SECRET_KEY`,
      );
    }),
  );
}

function disableCommand(): Command {
  return command(
    'disable',
    'Disable an endpoint. Messages that wait for it are held',
    'endpoints disable 0199f3a0-7b1c-4000-8000-00000000002a',
  )
    .argument('<id>', 'id of an endpoint')
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const held = await endpoints(pool).disable(endpointId(id));
        if (held === null) throw noSuchEndpoint(id);
        await recordCommand(pool, { action: 'endpoints disable', subject: id, detail: { held } });
        if (options.json) return printJson({ id, held });
        print(`disabled; ${plural(held, 'message')} held`);
      }),
    );
}

function enableCommand(): Command {
  return command(
    'enable',
    'Enable an endpoint and forget its failures. Messages that are held for it are delivered',
    'endpoints enable 0199f3a0-7b1c-4000-8000-00000000002a --since 7d',
  )
    .argument('<id>', 'id of an endpoint')
    .option('--since <time>', 'also deliver what failed or was not sent within this time, for example 7d', duration)
    .action((id: string, options: CommonOptions & { since?: number }) =>
      withPool(options, async (pool) => {
        const since = options.since === undefined ? {} : { since: new Date(Date.now() - options.since) };
        const sent = await endpoints(pool).enable(endpointId(id), since);
        if (sent === null) throw noSuchEndpoint(id);
        await recordCommand(pool, { action: 'endpoints enable', subject: id, detail: { sent } });
        if (options.json) return printJson({ id, sent });
        print(`enabled; ${plural(sent, 'message')} will be delivered`);
      }),
    );
}

function replayCommand(): Command {
  return command(
    'replay',
    'Send messages to an endpoint again that it already received, under the same ids',
    'endpoints replay 0199f3a0-7b1c-4000-8000-00000000002a --since 2h',
  )
    .argument('<id>', 'id of an endpoint, or of one message')
    .option('--since <time>', 'with an endpoint: every message within this time, for example 2h', duration)
    .option('--yes', 'do not ask for confirmation')
    .action((id: string, options: CommonOptions & { since?: number; yes?: boolean }) =>
      withPool(options, async (pool) => {
        if (options.since === undefined) return replayOne(pool, id, options);
        const since = new Date(Date.now() - options.since);
        await detailsOf(pool, id);
        await confirm({ verb: 'send', object: `everything since ${timeText(since)} UTC again` }, options);
        const sent = await endpoints(pool).replay(id, { since });
        if (sent === null) throw noSuchEndpoint(id);
        await recordCommand(pool, {
          action: 'endpoints replay',
          subject: id,
          detail: { sent, since: since.toISOString() },
        });
        if (options.json) return printJson({ id, sent });
        print(`${plural(sent, 'message')} will be delivered again`);
      }),
    );
}

async function replayOne(pool: Pool, id: string, options: CommonOptions): Promise<void> {
  const answer = await endpoints(pool).replayMessage(endpointId(id));
  if (answer === null) throw new UsageError(`no message "${id}": for a whole endpoint add --since`);
  if (answer.retried) await recordCommand(pool, { action: 'endpoints replay', subject: id });
  if (options.json) printJson({ id, ...answer });
  else
    print(
      answer.retried
        ? 'will be delivered again'
        : `stays ${answer.status}: it is in flight, or its secret labels were wiped`,
    );
  if (!answer.retried) throw new CommandFailed();
}

/** With the key and the egress settings of the environment. */
function withSecrets(pool: Pool): Endpoints {
  return endpoints(pool, { secrets: createSecretBox(readSecretKeys()), egress: readEgress() });
}

function endpointId(text: string): string {
  if (!isUuid(text)) throw new UsageError(`invalid endpoint id "${text}": see "pg-herald endpoints list"`);
  return text;
}

async function detailsOf(pool: Pool, id: string): Promise<EndpointDetails> {
  const endpoint = await endpoints(pool).show(endpointId(id));
  if (endpoint === null) throw noSuchEndpoint(id);
  return endpoint;
}

function noSuchEndpoint(id: string): UsageError {
  return new UsageError(`no endpoint "${id}": see "pg-herald endpoints list"`);
}
