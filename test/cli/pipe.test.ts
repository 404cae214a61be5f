/** What happens when the program behind the pipe has seen enough. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { main } from './support.ts';

test('a reader that leaves early ends the command without a word', async () => {
  const pipe = `"$0" "$1" help messages list | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', pipe, process.execPath, main]);
  expect({ stdout, stderr }).toEqual({ stdout: '0\n', stderr: '' });
});
