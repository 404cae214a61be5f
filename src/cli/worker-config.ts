/** A module of the application that completes what the environment says of a worker, with dispatchers above all. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { WorkerOptions } from '../delivery/options.ts';
import { codeOf } from '../errors.ts';
import { UsageError } from './output.ts';

/** The options of `createWorker` that a file gives; they have precedence over the environment. */
export type WorkerConfig = Partial<WorkerOptions>;

/**
 * Imports a file whose default export is options, or a function that returns them. Without a file there are none.
 * @throws {UsageError} if the file cannot be imported or exports something else.
 */
export async function readWorkerConfig(file: string | undefined): Promise<WorkerConfig> {
  if (file === undefined) return {};
  const given = defaultOf(file, await imported(file));
  const options: unknown = typeof given === 'function' ? await given() : given;
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options;
  throw new UsageError(
    `--config: ${file} must export the options of a worker as default, for example ` +
      'export default { dispatchers: { sms: sms({...}) } }',
  );
}

async function imported(file: string): Promise<object> {
  if (!existsSync(file)) throw new UsageError(`--config: cannot read ${file}`);
  try {
    return (await import(pathToFileURL(resolve(file)).href)) as object;
  } catch (error) {
    if (codeOf(error) === 'ERR_UNKNOWN_FILE_EXTENSION')
      throw new UsageError(`--config: this Node.js cannot run ${file}: use 22.18 or newer, or compile it first`);
    throw new UsageError(`--config: ${file} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function defaultOf(file: string, module: object): unknown {
  if ('default' in module) return module.default;
  throw new UsageError(`--config: ${file} has no default export`);
}
