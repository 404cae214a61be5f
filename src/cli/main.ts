#!/usr/bin/env node
/** The command line. The only part that prints and exits. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { cancelCommand, holdCommand, messagesCommand, releaseCommand, retryCommand, whyCommand } from './messages.ts';
import { migrateCommand } from './migrate.ts';
import {
  pauseCommand,
  preferencesCommand,
  purgeCommand,
  resumeCommand,
  statusCommand,
  suppressionsCommand,
} from './operate.ts';
import { explainError } from './output.ts';
import { sendCommand } from './send.ts';
import { methodsCommand } from './switches.ts';
import { templatesCommand } from './templates.ts';
import { workerCommand } from './worker.ts';

function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const root = new Command('pg-herald')
    .description('Notifications in your own Postgres: if your transaction commits, it will be delivered')
    .version(version)
    .addHelpText(
      'after',
      '\nExample:\n  $ DATABASE_URL=postgres://app@localhost/app pg-herald status\n\nExit codes: 0 done, 1 it did not succeed, 2 the input or the surroundings are wrong.',
    )
    .showHelpAfterError('(--help shows what there is)');
  for (const sub of [
    migrateCommand(),
    templatesCommand(),
    workerCommand(),
    sendCommand(),
    messagesCommand(),
    whyCommand(),
    retryCommand(),
    cancelCommand(),
    holdCommand(),
    releaseCommand(),
    statusCommand(),
    pauseCommand(),
    resumeCommand(),
    methodsCommand(),
    preferencesCommand(),
    suppressionsCommand(),
    purgeCommand(),
  ])
    root.addCommand(sub);
  return exitByThrowing(root);
}

/** commander exits with 1 for wrong usage; ours is 2. */
function exitByThrowing(at: Command): Command {
  at.exitOverride();
  at.commands.forEach(exitByThrowing);
  return at;
}

async function main(): Promise<number> {
  try {
    await program().parseAsync(process.argv);
    return 0;
  } catch (error) {
    // commander has printed its own message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const explained = explainError(error);
    if (explained === null) return 1;
    console.error(`pg-herald: ${explained.line}`);
    return explained.code;
  }
}

process.exitCode = await main();
