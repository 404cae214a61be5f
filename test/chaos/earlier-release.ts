/** The latest release, taken out of the repository's own history by its tag. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Program, startProgram } from '../support/processes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface EarlierRelease {
  readonly commit: string;
  /** Runs its command line. */
  cli(args: readonly string[], url: string): Promise<void>;
  start(file: string, env: Readonly<Record<string, string>>): Program;
  remove(): void;
}

/** Returns null where there is none: before the first release, in a clone without tags, or without git. */
export async function earlierRelease(): Promise<EarlierRelease | null> {
  const commit = latestRelease();
  if (commit === null) return null;
  const folder = mkdtempSync(join(tmpdir(), 'pg-herald-earlier-'));
  await unpack(commit, folder);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return {
    commit,
    async cli(args, url) {
      const main = join(folder, 'src/cli/main.ts');
      await promisify(execFile)(process.execPath, [main, ...args, '--database-url', url], { cwd: folder });
    },
    start: (file, env) => startProgram(join(folder, file), { env, cwd: folder }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function latestRelease(): string | null {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const [tag] = git('tag', '--list', 'v*', '--sort=-version:refname').split('\n');
    return tag ? git('rev-parse', '--verify', '--quiet', `${tag}^{commit}`) : null;
  } catch {
    return null;
  }
}

async function unpack(commit: string, folder: string): Promise<void> {
  const archive = spawn('git', ['archive', commit], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const tar = spawn('tar', ['-x', '-C', folder], { stdio: [archive.stdout, 'inherit', 'inherit'] });
  const [code] = await once(tar, 'close');
  if (code !== 0) throw new Error(`cannot unpack ${commit} into ${folder}`);
}
