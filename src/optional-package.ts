/** Packages that only some applications need: optional peers, which they install themselves. */
import { codeOf, ConfigurationError } from './errors.ts';

/**
 * Loads an optional package.
 * @param what what needs it, as the beginning of the error.
 * @throws {ConfigurationError} that names the packages to install, if they are not installed.
 */
export async function optionalPackage<T>(load: () => Promise<T>, names: string, what: string): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw new ConfigurationError(what, `needs a package that is not installed; run "npm install ${names}"`, {
      cause: error,
    });
  }
}
