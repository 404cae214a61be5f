import type { Command } from 'commander';
import { generateTypes } from '../templates/generate-types.ts';
import { writeTypesFile } from '../templates/types-file.ts';
import { checked, type FolderOptions, folderOf, isError, refuse, withFolder } from './check-templates.ts';
import { command } from './command.ts';
import { print, printJson, printStderr } from './output.ts';

/** `pg-herald types` */
export function typesCommand(): Command {
  const made = command(
    'types',
    'Write the names, labels, secrets and data of templates as TypeScript. Needs no database',
    {
      example: 'types --out notifications/templates.gen.ts',
      more: [['types', 'print it']],
      notes: [
        'Labels and their kinds come from the text and the header. The types of data come from the example, so ' +
          'give one to each template that uses data.',
        '"pg-herald dev" writes the file on every save, and "pg-herald templates check" compares it.',
      ],
      seeAlso: ['templates check', 'dev'],
    },
  );
  return withFolder(made).option('--out <file>', 'file to write instead of standard output').action(writeTypes);
}

async function writeTypes(folder: string | undefined, options: FolderOptions & { out?: string }): Promise<void> {
  const { sources, issues } = await checked(folderOf(folder, options));
  if (issues.some(isError)) return refuse(issues, options, '; nothing was written');
  if (options.out === undefined) {
    const typescript = generateTypes(sources);
    return options.json ? printJson({ typescript }) : print(typescript.trimEnd());
  }
  const changed = await writeTypesFile(options.out, sources);
  if (options.json) return printJson({ file: options.out, changed });
  printStderr(changed ? `wrote ${options.out}` : `${options.out} is up to date`);
}
