/**
 * A stranger's first ten minutes: the packed library, installed by npm from the registry into applications of several kinds. Each
 * ends with an email in the catcher of `pg-herald dev` and with what `pg-herald why` says about it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { followGuide, type GuideOptions } from '../docs/support/guide.ts';
import { createTestDatabase } from '../support/database.ts';
import { freePort } from '../support/daemons.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pg-herald-setups-'));
let tarball: string;

const npm = (cwd: string, ...words: string[]) =>
  execFileSync('npm', words, {
    cwd,
    stdio: 'pipe',
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` },
  });

beforeAll(() => {
  npm(root, 'pack', '--pack-destination', folder);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '');
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The database that `pg-herald dev` started and printed. */
const printedUrl = (printed: string) => /export DATABASE_URL=(\S+)/.exec(printed)?.[1] ?? 'not printed';

async function follow(page: string, options: GuideOptions): Promise<string> {
  const guide = await followGuide(page, {
    tarball,
    ...options,
    replace: { 'postgres://app@localhost/app': printedUrl, ...options.replace },
  });
  await guide.close();
  return guide.transcript;
}

async function followFramework(section: string, prepare: (folder: string) => void): Promise<void> {
  const port = String(await freePort());
  const transcript = await follow('docs/frameworks.md', {
    section,
    introduction: true,
    prepare,
    replace: { '3000': port },
  });
  expect(transcript).toMatch(/<title>.*<\/title>/);
}

const packages = (names: string, manifest: object = {}) => {
  return (project: string) => {
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'application', private: true, ...manifest }));
    npm(project, 'install', '--no-audit', '--no-fund', ...names.split(' '));
  };
};

test('README.md in an empty folder, with npm init', async () => {
  await follow('README.md', { section: 'Your first notification' });
});

test('plain pg in an empty folder, with npm init', async () => {
  const database = await createTestDatabase({ empty: true });
  await follow('docs/plain-pg.md', { replace: { 'postgres://app@localhost/app': database.url } });
  await database.close();
});

test('Next.js', async () => {
  await followFramework('Next.js', (project) => {
    packages('next react react-dom typescript @types/react @types/node @types/pg')(project);
    mkdirSync(join(project, 'app'));
    writeFileSync(
      join(project, 'app/layout.tsx'),
      `export default function Layout({ children }: { children: React.ReactNode }) {
  return <html lang="en"><body>{children}</body></html>;
}
`,
    );
  });
});

test('NestJS', async () => {
  await followFramework('NestJS', (project) => {
    packages(
      '@nestjs/common @nestjs/core @nestjs/platform-express reflect-metadata rxjs typescript @types/node @types/pg',
      { type: 'commonjs' },
    )(project);
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'es2023', strict: true, skipLibCheck: true, types: ['node'] },
      ...{ rootDir: 'src', outDir: 'dist', experimentalDecorators: true, emitDecoratorMetadata: true },
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
  });
});

test('Express in CommonJS', async () => {
  await followFramework('Express, in CommonJS', packages('express', { type: 'commonjs' }));
});

test('Fastify', async () => {
  await followFramework('Fastify', packages('fastify'));
});
