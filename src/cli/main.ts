#!/usr/bin/env node
/** The command line. The only part that prints and exits. */
import { CommanderError } from 'commander';
import { loadEnvironmentFile } from './env-file.ts';
import { explainError } from './error-text.ts';
import { printStderr, withoutBreaks } from './output.ts';
import { createProgram } from './program.ts';

async function main(): Promise<number> {
  try {
    await import('../node-version.ts');
    loadEnvironmentFile();
    const program = await createProgram(process.argv[2]);
    await program.parseAsync(process.argv);
    return 0;
  } catch (error) {
    // commander has printed its own message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { line, exitCode } = explainError(error);
    if (line !== null) printStderr(`pg-herald: ${withoutBreaks(line)}`);
    return exitCode;
  }
}

// `pg-herald messages list | head`: the reader has closed the pipe, so there is no one left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main();
