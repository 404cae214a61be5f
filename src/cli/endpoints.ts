import { Command } from 'commander';
import type { Pool } from 'pg';
import { readBrand, readEgress, readSecretKeys } from './config.ts';
import type { EndpointDetails, EndpointSummary } from '../operate/endpoint-details.ts';
import { endpoints, type Endpoints } from '../operate/endpoints.ts';
import { createSecretBox } from '../secrets.ts';
import { addEndpointCommand } from './add-endpoint.ts';
import { audit } from './audit.ts';
import { type CommonOptions, command, confirm, duration, isId, listing, withPool } from './command.ts';
import {
  color,
  print,
  printAside,
  printFields,
  printJson,
  printTable,
  timeText,
  Unsuccessful,
  UsageError,
} from './output.ts';

export function endpointsCommand(): Command {
  return new Command('endpoints')
    .description('Receivers of webhooks and chat posts: who is called, and how they do')
    .addCommand(addEndpointCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(testCommand())
    .addCommand(rotateCommand())
    .addCommand(disableCommand())
    .addCommand(enableCommand())
    .addCommand(removeCommand())
    .addCommand(replayCommand());
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
  return listing('list', 'All endpoints, how they do and what waits for them', 'endpoints list').action(
    (options: CommonOptions) =>
      withPool(options, async (pool) => {
        const all = await endpoints(pool).list();
        if (options.json) return printJson(all);
        printTable(
          ['id', 'name', 'for', 'groups', 'host', 'format', 'state', 'waiting'],
          all.map((e) => [
            e.id,
            e.name,
            e.recipientId ?? (e.tenant === null ? 'everybody' : `tenant ${e.tenant}`),
            e.groups.join(', ') || 'all',
            e.urlHost,
            e.format,
            stateText(e),
            e.waiting >= 10_000 ? '10000+' : String(e.waiting),
          ]),
          'no endpoints; add one with "pg-herald endpoints add"',
          { whole: ['id'], spare: ['format', 'groups', 'host', 'for'] },
        );
      }),
  );
}

function showCommand(): Command {
  return listing(
    'show',
    'One endpoint with its limits; never its URL, secrets and headers',
    'endpoints show 0199f3a0-7b1c-4000-8000-00000000002a',
  )
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
  return command(
    'remove',
    'Delete an endpoint and its secrets for good; what waits for it is cancelled',
    'endpoints remove 0199f3a0-7b1c-4000-8000-00000000002a',
  )
    .argument('<id>', 'id of an endpoint')
    .option('--yes', 'do not ask')
    .action((id: string, options: CommonOptions & { yes?: boolean }) =>
      withPool(options, async (pool) => {
        const endpoint = await detailsOf(pool, id);
        await confirm(`Delete ${endpoint.name} (${endpoint.urlHost}) and cancel what waits for it?`, options);
        const cancelled = await endpoints(pool).remove(id);
        if (cancelled === null) throw unknown(id);
        await audit(pool, { action: 'endpoints remove', subject: id, detail: { cancelled } });
        if (options.json) return printJson({ id, cancelled });
        print(`removed; ${cancelled} ${cancelled === 1 ? 'message is' : 'messages are'} cancelled`);
      }),
    );
}

function testCommand(): Command {
  return command(
    'test',
    'Send a signed ping and explain the answer; exit code 1 where it is not accepted',
    'endpoints test 0199f3a0-7b1c-4000-8000-00000000002a',
  )
    .argument('<id>', 'id of an endpoint')
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const answer = await encrypted(pool).ping(endpointId(id), { appName: readBrand().appName });
        if (answer === null) throw unknown(id);
        if (options.json) printJson(answer);
        else
          print(
            `${answer.status === null ? 'no answer' : `HTTP ${answer.status}`} after ${answer.milliseconds} ms: ${answer.explanation} (webhook-id ${answer.messageId})`,
          );
        if (!answer.accepted) throw new Unsuccessful();
      }),
    );
}

function rotateCommand(): Command {
  return command(
    'rotate',
    'Give an endpoint a new signing secret; the one before stays valid for a day',
    'endpoints rotate 0199f3a0-7b1c-4000-8000-00000000002a',
  )
    .argument('<id>', 'id of an endpoint')
    .option('--overlap <time>', 'how long the one before stays valid, for example 2h; 0s after a leak', duration)
    .action((id: string, options: CommonOptions & { overlap?: number }) =>
      withPool(options, async (pool) => {
        const secret = await encrypted(pool).rotate(endpointId(id), {
          ...(options.overlap !== undefined && { overlapSeconds: options.overlap / 1000 }),
        });
        if (secret === null) throw unknown(id);
        await audit(pool, { action: 'endpoints rotate', subject: id });
        if (options.json) return printJson({ id, secret });
        printAside('New signing secret, shown only now:');
        print(secret);
      }),
    );
}

function disableCommand(): Command {
  return command(
    'disable',
    'Switch an endpoint off; what waits for it is held',
    'endpoints disable 0199f3a0-7b1c-4000-8000-00000000002a',
  )
    .argument('<id>', 'id of an endpoint')
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const held = await endpoints(pool).disable(endpointId(id));
        if (held === null) throw unknown(id);
        await audit(pool, { action: 'endpoints disable', subject: id, detail: { held } });
        if (options.json) return printJson({ id, held });
        print(`switched off; ${held} ${held === 1 ? 'message is' : 'messages are'} held`);
      }),
    );
}

function enableCommand(): Command {
  return command(
    'enable',
    'Switch an endpoint on with a clean record; what is held for it goes out',
    'endpoints enable 0199f3a0-7b1c-4000-8000-00000000002a --since 7d',
  )
    .argument('<id>', 'id of an endpoint')
    .option('--since <time>', 'recover: also what failed or was not sent to it in this time, for example 7d', duration)
    .action((id: string, options: CommonOptions & { since?: number }) =>
      withPool(options, async (pool) => {
        const since = options.since === undefined ? {} : { since: new Date(Date.now() - options.since) };
        const sent = await endpoints(pool).enable(endpointId(id), since);
        if (sent === null) throw unknown(id);
        await audit(pool, { action: 'endpoints enable', subject: id, detail: { sent } });
        if (options.json) return printJson({ id, sent });
        print(`switched on; ${sent} ${sent === 1 ? 'message goes' : 'messages go'} out`);
      }),
    );
}

function replayCommand(): Command {
  return command(
    'replay',
    'Send again what an endpoint has had already, under the same ids',
    'endpoints replay 0199f3a0-7b1c-4000-8000-00000000002a --since 2h',
  )
    .argument('<id>', 'id of an endpoint, or of one message')
    .option('--since <time>', 'with an endpoint: everything of this time, for example 2h', duration)
    .option('--yes', 'do not ask')
    .action((id: string, options: CommonOptions & { since?: number; yes?: boolean }) =>
      withPool(options, async (pool) => {
        if (options.since === undefined) return replayOne(pool, id, options);
        const since = new Date(Date.now() - options.since);
        await detailsOf(pool, id);
        await confirm(`Send everything since ${timeText(since)} UTC again?`, options);
        const sent = await endpoints(pool).replay(id, { since });
        if (sent === null) throw unknown(id);
        await audit(pool, { action: 'endpoints replay', subject: id, detail: { sent, since: since.toISOString() } });
        if (options.json) return printJson({ id, sent });
        print(`${sent} ${sent === 1 ? 'message goes' : 'messages go'} out again`);
      }),
    );
}

async function replayOne(pool: Pool, id: string, options: CommonOptions): Promise<void> {
  const answer = await endpoints(pool).replayMessage(endpointId(id));
  if (answer === null) throw new UsageError(`no message "${id}"; for a whole endpoint add --since`);
  if (answer.retried) await audit(pool, { action: 'endpoints replay', subject: id });
  if (options.json) printJson({ id, ...answer });
  else
    print(answer.retried ? 'goes out again' : `stays ${answer.status}: it is under way, or its secret labels are gone`);
  if (!answer.retried) throw new Unsuccessful();
}

/** With the key and the egress settings of the environment. */
function encrypted(pool: Pool): Endpoints {
  return endpoints(pool, { secrets: createSecretBox(readSecretKeys()), egress: readEgress() });
}

function endpointId(text: string): string {
  if (!isId(text)) throw new UsageError(`"${text}" is no id; see "pg-herald endpoints list"`);
  return text;
}

async function detailsOf(pool: Pool, id: string): Promise<EndpointDetails> {
  const endpoint = await endpoints(pool).show(endpointId(id));
  if (endpoint === null) throw unknown(id);
  return endpoint;
}

function unknown(id: string): UsageError {
  return new UsageError(`no endpoint "${id}"; see "pg-herald endpoints list"`);
}
