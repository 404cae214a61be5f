import { existsSync } from 'node:fs';
import { ConfigurationError } from '../errors.ts';

/**
 * Adds the variables of the file .env in this folder, if there is one, to the environment, which has precedence.
 * @throws {ConfigurationError} if it cannot be read.
 */
export function loadEnvironmentFile(file = '.env'): void {
  if (!existsSync(file)) return;
  try {
    process.loadEnvFile(file);
  } catch {
    throw new ConfigurationError(file, 'cannot be read: correct its permissions, or remove it');
  }
}
