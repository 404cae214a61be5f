#!/usr/bin/env node
/** The command line. The only part that prints and exits. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { explainError } from './output.ts';

/** Each command's module, loaded when it is asked for: `pg-herald why` need not wait for the mail libraries. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  migrate: async () => (await import('./migrate.ts')).migrateCommand(),
  templates: async () => (await import('./templates.ts')).templatesCommand(),
  worker: async () => (await import('./worker.ts')).workerCommand(),
  send: async () => (await import('./send.ts')).sendCommand(),
  messages: async () => (await import('./messages.ts')).messagesCommand(),
  why: async () => (await import('./messages.ts')).whyCommand(),
  retry: async () => (await import('./messages.ts')).retryCommand(),
  cancel: async () => (await import('./messages.ts')).cancelCommand(),
  hold: async () => (await import('./messages.ts')).holdCommand(),
  release: async () => (await import('./messages.ts')).releaseCommand(),
  status: async () => (await import('./operate.ts')).statusCommand(),
  pause: async () => (await import('./operate.ts')).pauseCommand(),
  resume: async () => (await import('./operate.ts')).resumeCommand(),
  methods: async () => (await import('./switches.ts')).methodsCommand(),
  preferences: async () => (await import('./operate.ts')).preferencesCommand(),
  suppressions: async () => (await import('./operate.ts')).suppressionsCommand(),
  endpoints: async () => (await import('./endpoints.ts')).endpointsCommand(),
  audit: async () => (await import('./audit.ts')).auditCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  purge: async () => (await import('./operate.ts')).purgeCommand(),
};

const epilogue = `
Example:
  $ DATABASE_URL=postgres://app@localhost/app pg-herald status

Exit codes: 0 done, 1 it did not succeed, 2 the input or the surroundings are wrong.`;

async function program(wanted: string | undefined): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const root = new Command('pg-herald')
    .description('Notifications in your own Postgres: if your transaction commits, it will be delivered')
    .version(version)
    .addHelpText('after', epilogue)
    .showHelpAfterError('(--help shows what there is)');
  const one = wanted === undefined || !Object.hasOwn(commands, wanted) ? undefined : commands[wanted];
  for (const load of one ? [one] : Object.values(commands)) root.addCommand(await load());
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
    await (await program(process.argv[2])).parseAsync(process.argv);
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
