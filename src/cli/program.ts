/** The tree of commands. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { helpCommand } from './help.ts';
import { addManual } from './manual.ts';

/** Each command's module, loaded when it is asked for: `pg-herald why` need not wait for the mail libraries. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  dev: async () => (await import('./dev.ts')).devCommand(),
  migrate: async () => (await import('./migrate.ts')).migrateCommand(),
  templates: async () => (await import('./templates.ts')).templatesCommand(),
  worker: async () => (await import('./worker.ts')).workerCommand(),
  send: async () => (await import('./send.ts')).sendCommand(),
  messages: async () => (await import('./messages.ts')).messagesCommand(),
  why: async () => (await import('./why.ts')).whyCommand(),
  retry: async () => (await import('./actions.ts')).retryCommand(),
  cancel: async () => (await import('./actions.ts')).cancelCommand(),
  hold: async () => (await import('./actions.ts')).holdCommand(),
  release: async () => (await import('./actions.ts')).releaseCommand(),
  discard: async () => (await import('./actions.ts')).discardCommand(),
  status: async () => (await import('./operate.ts')).statusCommand(),
  pause: async () => (await import('./operate.ts')).pauseCommand(),
  resume: async () => (await import('./operate.ts')).resumeCommand(),
  methods: async () => (await import('./methods.ts')).methodsCommand(),
  preferences: async () => (await import('./operate.ts')).preferencesCommand(),
  suppressions: async () => (await import('./operate.ts')).suppressionsCommand(),
  endpoints: async () => (await import('./endpoints.ts')).endpointsCommand(),
  console: async () => (await import('./console.ts')).consoleCommand(),
  audit: async () => (await import('./audit.ts')).auditCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  retention: async () => (await import('./keeping.ts')).retentionCommand(),
  erase: async () => (await import('./keeping.ts')).eraseCommand(),
  purge: async () => (await import('./operate.ts')).purgeCommand(),
  completion: async () => (await import('./completion.ts')).completionCommand(createProgram),
};

/** The headings under which `pg-herald --help` lists them; what is not named here stands under the last. */
const groups: readonly (readonly [heading: string, ...names: string[]])[] = [
  ['Set up:', 'dev', 'migrate', 'templates', 'worker', 'send', 'completion'],
  ['Look:', 'status', 'messages', 'why', 'console', 'audit', 'doctor'],
  ['Act:', 'retry', 'cancel', 'hold', 'release', 'discard', 'pause', 'resume'],
  ['Rules and receivers:', 'methods', 'preferences', 'suppressions', 'endpoints'],
  ['Keep and delete:', 'retention', 'purge', 'erase'],
  ['More:'],
];

/** With all commands, or, to start quickly, with the one that is wanted alone. */
export async function createProgram(wanted?: string): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const root = new Command('pg-herald')
    .description('Notifications in your own Postgres: if your transaction commits, it will be delivered')
    .version(version)
    .helpCommand(false);
  const one = wanted === undefined || !Object.hasOwn(commands, wanted) ? undefined : commands[wanted];
  for (const load of one ? [one] : Object.values(commands)) root.addCommand(inGroup(await load()));
  if (one === undefined) root.addCommand(inGroup(helpCommand(root)));
  addManual(root);
  return exitByThrowing(root);
}

function inGroup(command: Command): Command {
  const group = groups.find(([, ...names]) => names.includes(command.name())) ?? groups.at(-1);
  return command.helpGroup(group?.[0] ?? '');
}

/** commander exits with 1 for wrong usage; ours is 2. Every command tells where help is, as nothing is inherited here. */
function exitByThrowing(at: Command): Command {
  at.exitOverride().showHelpAfterError('(--help shows what there is)');
  at.commands.forEach(exitByThrowing);
  return at;
}
