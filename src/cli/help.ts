import { Command } from 'commander';
import { findCommand } from './manual.ts';
import { UsageError } from './output.ts';

/** `pg-herald help messages list`; commander's own knows one word only. */
export function helpCommand(root: Command): Command {
  return new Command('help')
    .description('The manual of a command, for example "pg-herald help messages list"')
    .argument('[command...]', 'words of a command')
    .action((words: string[]) => {
      const found = findCommand(root, words);
      if (found === null) throw new UsageError(`no command "${words.join(' ')}"; "pg-herald --help" lists them`);
      found.outputHelp();
    });
}
