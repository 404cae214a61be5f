/** Does what a page tells its reader to do, block by block, in an empty project. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../support/wait.ts';
import { type Block, blocksOf } from './blocks.ts';
import { compiler, createProject } from './package.ts';

export interface GuideOptions {
  /** Only the blocks under this heading; the whole page by default. */
  readonly section?: string;
  /** With `section`: also the blocks before the first heading below the page's title. */
  readonly introduction?: boolean;
  /** Texts of the page and what stands for them here, for example the URL of the reader's database. */
  readonly replace?: Readonly<Record<string, string | Replacement>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the folder before the first block: what the page takes for granted. */
  readonly prepare?: (folder: string) => void;
  /** Path of the packed library: npm then really installs it and everything else, from the registry. */
  readonly tarball?: string;
}

/** What was printed so far decides, for example a port. */
export type Replacement = (printed: string) => string;

export interface Guide {
  readonly folder: string;
  /** Everything that was printed, in order. */
  readonly transcript: string;
  /** Ends what was started and removes the folder. */
  readonly close: () => Promise<void>;
}

/** Throws with the page, the line and what was printed at the first block that does not do what the page says. */
export async function followGuide(page: string, options: GuideOptions = {}): Promise<Guide> {
  const text = readFileSync(fileURLToPath(new URL(`../../../${page}`, import.meta.url)), 'utf8');
  const { section, introduction } = options;
  const blocks = blocksOf(text).filter(
    ({ sections }) =>
      section === undefined || sections.includes(section) || (introduction === true && sections.length === 1),
  );
  const folder = mkdtempSync(join(tmpdir(), 'pg-herald-guide-'));
  // As a project usually is; `pg-herald dev` keeps its database in it then.
  chmodSync(folder, 0o755);
  const reader = createReader(folder, options);
  try {
    if (options.tarball === undefined)
      createProject(folder, { manifest: !blocks.some((block) => block.text.includes('npm init')) });
    options.prepare?.(folder);
    for (const block of blocks)
      await reader.follow(block).catch((error: unknown) => {
        throw new Error(`${page}:${block.line}: ${error instanceof Error ? error.message : String(error)}`);
      });
    if (blocks.length === 0)
      throw new Error(`${page} has no block${options.section ? ` under "${options.section}"` : ''}`);
    if (options.tarball === undefined) await reader.compile();
  } catch (error) {
    await reader.close();
    throw error;
  }
  return { folder, transcript: reader.transcript(), close: reader.close };
}

interface Output {
  readonly code: number;
  readonly text: string;
}

const followed = new Set(['sh', 'ts', 'js', 'sql', 'md', 'text', 'json']);

function createReader(folder: string, { replace: given = {}, env = {}, tarball }: GuideOptions) {
  const replace: Readonly<Record<string, string | Replacement>> = {
    ...given,
    ...(tarball !== undefined && { 'npm install pg-herald': `npm install ${tarball}` }),
  };
  const state = join(folder, '.state');
  const environment = {
    // npm's settings and cache are the user's where it really installs.
    ...(tarball === undefined ? { HOME: folder } : { ...process.env, DATABASE_URL: undefined }),
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    // npm turns a spinner in a terminal where it is slow.
    npm_config_progress: 'false',
    PATH: [folder, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
    ...env,
  };
  const running: ChildProcess[] = [];
  const scripts: string[] = [];
  let transcript = '';
  let last = '';
  let again: (() => Promise<void>) | null = null;
  writeFileSync(state, '');

  const adapted = (text: string) =>
    Object.entries(replace).reduce(
      (sum, [from, to]) =>
        sum.includes(from) ? sum.replaceAll(from, typeof to === 'string' ? to : to(transcript)) : sum,
      text,
    );

  async function follow(block: Block): Promise<void> {
    const { language, marks } = block;
    const text = adapted(block.text);
    if (marks.has('skip')) return;
    if (!followed.has(language)) throw new Error(`a block in "${language}" can only be skipped`);
    const file = marks.get('file') ?? marks.get('append');
    if (marks.has('output')) return compareWith(text);
    if (file !== undefined) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      if (marks.has('append')) appendFileSync(join(folder, file), text);
      else writeFileSync(join(folder, file), text);
      if (language === 'ts') scripts.push(file);
      if (marks.has('run')) await run(`node ${file}`);
    } else if (language === 'sh') {
      const needed = marks.get('after');
      if (needed !== undefined)
        await until(() => existsSync(join(folder, needed)), { timeoutMs: 30_000, what: `the file ${needed}` });
      if (marks.has('background')) await start(text, marks.get('until'));
      else await run(text, marks.has('terminal'));
      again = marks.has('eventually') ? () => run(text, marks.has('terminal')) : null;
    } else throw new Error(`a block in "${language}" needs file=, output or skip=`);
  }

  async function compareWith(expected: string): Promise<void> {
    if (again === null) return compare(expected, last);
    const repeat = again;
    const matches = async () => {
      try {
        compare(expected, last);
        return true;
      } catch (error) {
        await repeat();
        throw error;
      }
    };
    await until(matches, { timeoutMs: 30_000, intervalMs: 200, what: 'what the page shows' });
  }

  /** Variables and folder go over to the next block, as in one terminal. */
  async function run(commands: string, terminal = false): Promise<void> {
    const { code, text } = await bash(
      `${terminal ? 'stty cols 160 -onlcr; ' : ''}set -e -o pipefail; . "$0"; trap 'export -p >"$0"; echo "cd \\"$PWD\\"" >>"$0"' EXIT\n${commands}`,
      terminal,
    );
    last = text;
    transcript += `$ ${commands}${text}`;
    if (code !== 0) throw new Error(`exit code ${code}\n${text}`);
  }

  function bash(script: string, terminal = false): Promise<Output> {
    const words = ['-c', `exec 2>&1; ${script}`, state];
    const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    return new Promise((resolve) => {
      const child = execFile(
        terminal ? 'script' : 'bash',
        terminal ? ['-qec', `bash ${quoted}`, '/dev/null'] : words,
        { cwd: folder, env: environment, timeout: tarball === undefined ? 60_000 : 300_000 },
        (error, out) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), text: out }),
      );
      child.stdin?.end();
    });
  }

  async function start(commands: string, line: string | undefined): Promise<void> {
    // A group of its own, so that everything it starts ends with it.
    const child = spawn('bash', ['-c', `exec 2>&1; . "$0"; ${commands}`, state], {
      cwd: folder,
      env: environment,
      detached: true,
    });
    running.push(child);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      last = text;
    });
    await until(() => text.includes(line ?? '') || child.exitCode !== null, {
      timeoutMs: tarball === undefined ? 60_000 : 300_000,
      what: `a line with "${line}"; so far:\n${text}`,
    });
    transcript += `$ ${commands}${text}`;
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}\n${text}`);
  }

  async function compile(): Promise<void> {
    if (scripts.length === 0) return;
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      types: ['node'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [...new Set(scripts)] }));
    const { code, text } = await bash(`'${process.execPath}' '${compiler}' -p .`);
    if (code !== 0) throw new Error(`the TypeScript of the page does not compile:\n${text}`);
  }

  async function close(): Promise<void> {
    for (const { pid } of running) {
      if (pid === undefined || !groupAlive(pid)) continue;
      process.kill(-pid, 'SIGINT');
      await until(() => !groupAlive(pid), { timeoutMs: 30_000, what: 'the end of what the guide started' });
    }
    rmSync(folder, { recursive: true, force: true });
  }

  return { follow, compile, close, transcript: () => transcript };
}

/** Whether anything of a process group still runs. */
function groupAlive(pid: number): boolean {
  try {
    return process.kill(-pid, 0);
  } catch {
    return false;
  }
}

/** Every line of the page is in what was printed, in this order. */
export function compare(expected: string, printed: string): void {
  const lines = printed.split('\n').map((line) => line.trimEnd());
  let from = 0;
  for (const line of expected.trim().split('\n')) {
    const pattern = new RegExp(
      `^${line
        .trim()
        .split('…')
        .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
        .join('.*')}$`,
    );
    const at = lines.findIndex((each, index) => index >= from && pattern.test(each.trim()));
    if (at < 0) throw new Error(`the page shows "${line}", but this was printed:\n${printed}`);
    from = at + 1;
  }
}
