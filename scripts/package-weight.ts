/** What the package costs its users: packages on disk, memory of the import, processor time of a command. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The machine that measures may be busy, so memory and time may be twice what an idle one shows. */
const bounds = { packages: 39, importMegabytes: 130, commandSeconds: 0.8 };

const measureImport = `
await import('pg-herald');
console.log(process.memoryUsage().rss / 1e6);
`;

/** Prints the figures of a project that installed the tarball alone, and throws where one is out of bounds. */
export function checkWeight(project: string): void {
  const packages = packagesOf(project);
  const importMegabytes = Number(evaluated(measureImport, project));
  const command = join(project, 'node_modules/pg-herald/dist/cli/main.js');
  const commandSeconds = Math.max(
    ...['why', 'status', 'migrate', 'worker'].map((name) => secondsOf(command, [name, '--help'], project)),
  );
  const figures = { packages, importMegabytes, commandSeconds };
  for (const [name, bound] of Object.entries(bounds)) {
    const value = figures[name as keyof typeof figures];
    console.log(`${name}: ${Math.round(value * 100) / 100}, at most ${bound}`);
    if (!(value <= bound)) throw new Error(`${name} is ${value}, more than ${bound}`);
  }
}

/** Everything that npm installed, this package included. */
function packagesOf(project: string): number {
  const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as { packages: object };
  return Object.keys(lock.packages).filter((path) => path !== '').length;
}

function evaluated(code: string, cwd: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd, encoding: 'utf8' });
}

/** User and system time of a program, in seconds. */
function secondsOf(program: string, args: readonly string[], cwd: string): number {
  const code = `
process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  require('node:fs').writeSync(2, String((user + system) / 1e6));
});`;
  const preload = `data:text/javascript,${encodeURIComponent(`import { createRequire } from 'node:module'; const require = createRequire(process.cwd() + '/');${code}`)}`;
  const { stderr, status } = spawnSync(process.execPath, ['--import', preload, program, ...args], {
    cwd,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return Number(stderr);
}
