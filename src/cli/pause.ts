import type { Command } from 'commander';
import { listPauses, pauseMethod, resumeMethod } from '../operate/pause.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, methodArgument, withPool } from './command.ts';
import { readOperator } from './config.ts';
import { print, printJson, UsageError } from './output.ts';

const method = () => methodArgument('[method]', 'name of a method; default all methods').default('*', 'all');

/** `pg-herald pause` */
export function pauseCommand(): Command {
  return command('pause', 'Pause one method, or all of them. Messages wait, and nothing is lost', {
    example: 'pause smtp --why "relay is being moved"',
    more: [['pause --why "database moves"', 'everything']],
    notes: [
      'Workers stop taking them at once. Messages that are enqueued meanwhile wait, and no attempt is counted. A ' +
        'method with a fault of its own is paused and resumed automatically.',
    ],
    seeAlso: ['resume', 'status', 'hold'],
  })
    .addArgument(method())
    .requiredOption('--why <text>', 'reason, which "pg-herald why" and the console show')
    .action((name: string, options: CommonOptions & { why: string }) =>
      withPool(options, async (pool) => {
        if (!(await pauseMethod(pool, { method: name, by: readOperator(), why: options.why })))
          throw new UsageError(`no method "${name}": see "pg-herald status"`);
        await recordCommand(pool, { action: 'pause', subject: name, why: options.why });
        if (options.json) return printJson(await listPauses(pool));
        const all = name === '*';
        print(`${all ? 'everything' : name} is paused; "pg-herald resume${all ? '' : ` ${name}`}" ends it`);
      }),
    );
}

/** `pg-herald resume` */
export function resumeCommand(): Command {
  return command('resume', 'End a pause', {
    example: 'resume smtp',
    more: [['resume', 'everything']],
    seeAlso: ['pause', 'status'],
  })
    .addArgument(method())
    .action((name: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const resumed = await resumeMethod(pool, { method: name });
        for (const each of resumed) await recordCommand(pool, { action: 'resume', subject: each });
        if (options.json) return printJson({ resumed });
        const names = resumed.map((each) => (each === '*' ? 'everything' : each)).join(', ');
        print(resumed.length > 0 ? `resumed ${names}` : 'nothing was paused');
      }),
    );
}
