import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../src/errors.ts';
import { optionalPackage } from '../src/optional-package.ts';

describe('an optional package', () => {
  test('that is not installed is an error of one line with the command that installs it', async () => {
    const missing = 'pg-herald-has-no-such-package';
    const loading = optionalPackage(() => import(/* @vite-ignore */ missing), 'some-package', 'pg-herald dev');
    await expect(loading).rejects.toThrow(ConfigurationError);
    await expect(loading).rejects.toThrow(
      'pg-herald dev: needs a package that is not installed; run "npm install some-package"',
    );
  });

  test('that is broken fails with its own error', async () => {
    const broken = () => Promise.reject(new SyntaxError('Unexpected token'));
    await expect(optionalPackage(broken, 'some-package', 'pg-herald dev')).rejects.toThrow(SyntaxError);
  });
});
