#!/usr/bin/env node
/** The command line. The only part that prints and exits. */
import { CommanderError } from 'commander';
import { explainError } from './output.ts';
import { createProgram } from './program.ts';

async function main(): Promise<number> {
  try {
    await import('../node-version.ts');
    const program = await createProgram(process.argv[2]);
    await program.parseAsync(process.argv);
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

// `pg-herald messages list | head`: whoever reads has seen enough, and nobody is left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main();
