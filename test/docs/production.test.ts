/** Follows the pages about production, and compares the unit and the manifests with what a worker does. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readConfig } from '../../src/cli/config.ts';
import { hasProgram } from '../cli/support.ts';
import { greetingFile } from '../support/application.ts';
import { createTestDatabase } from '../support/database.ts';
import { blocksOf } from './support/blocks.ts';
import { followGuide } from './support/guide.ts';

const page = readFileSync(fileURLToPath(new URL('../../docs/production.md', import.meta.url)), 'utf8');
const block = (language: string) => blocksOf(page).find((each) => each.language === language)?.text ?? '';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function follow(path: string): Promise<string> {
  const database = await createTestDatabase({ empty: true });
  const suffix = randomBytes(4).toString('hex');
  const workerRole = `delivering_${suffix}`;
  const workerUrl = new URL(database.url);
  workerUrl.username = workerRole;
  workerUrl.password = 'choose-one';
  try {
    const guide = await followGuide(path, {
      replace: {
        'postgres://notifications_worker:choose-one@localhost/app': workerUrl.href,
        'postgres://app@localhost/app': database.url,
        notifications_worker: workerRole,
        'herald_enqueuer TO app': `herald_enqueuer TO ${workerRole}`,
        '9464': String(await freePort()),
        'smtp.acme.example': '127.0.0.1',
      },
      prepare: (folder) => {
        mkdirSync(join(folder, 'notifications'));
        writeFileSync(join(folder, 'notifications/greeting.md'), greetingFile);
      },
    });
    await guide.close();
    return guide.transcript;
  } finally {
    await database.pool.query(`DROP ROLE IF EXISTS ${workerRole}`);
    await database.close();
  }
}

describe('following the page works:', { timeout: 180_000 }, () => {
  test.skipIf(!hasProgram('psql') || !hasProgram('curl') || !hasProgram('openssl'))('docs/production.md', async () => {
    const transcript = await follow('docs/production.md');
    expect(transcript).toContain('delivers smtp and webhook');
  });

  test('docs/upgrading.md', async () => {
    await follow('docs/upgrading.md');
  });
});

const seconds = (text: string | undefined) => Number(/^\d+$/.exec(text ?? '')?.[0]);
const stopTimeout = Number(/HERALD_STOP_TIMEOUT_SECONDS=(\d+)/.exec(page)?.[1]);

describe('the unit of systemd', () => {
  const unit = block('ini');
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1];

  test.skipIf(!hasProgram('systemd-analyze'))('is one, and is well locked up', () => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-unit-'));
    try {
      const path = join(folder, 'pg-herald.service');
      writeFileSync(path, unit.replace('/usr/bin/node', process.execPath));
      const said = execFileSync('sh', ['-c', `systemd-analyze verify --man=no '${path}' 2>&1`], { encoding: 'utf8' });
      expect(said).not.toContain('pg-herald.service');
      const exposure = execFileSync('systemd-analyze', ['security', '--offline=true', path], { encoding: 'utf8' });
      expect(Number(/Overall exposure level[^:]*: ([\d.]+)/.exec(exposure)?.[1])).toBeLessThan(2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('gives the worker more time to stop than the worker takes', () => {
    expect(seconds(value('TimeoutStopSec'))).toBeGreaterThan(stopTimeout);
  });

  test('passes every secret as a credential that the configuration reads', () => {
    const credentials = [...unit.matchAll(/^LoadCredential=([\w-]+):/gm)].map(([, name = '']) => name);
    const variables = [...unit.matchAll(/(\w+_FILE)=%d\/([\w-]+)/g)];
    expect(variables.map(([, , name]) => name)).toEqual(credentials);
    const folder = mkdtempSync(join(tmpdir(), 'herald-credentials-'));
    try {
      const texts: Record<string, string> = {
        'database-url': 'postgres://app@localhost/app',
        'secret-key': randomBytes(32).toString('base64'),
        'smtp-password': 'sesame',
      };
      const environment = Object.fromEntries(
        variables.map(([, variable = '', name = '']) => {
          writeFileSync(join(folder, name), `${texts[name] ?? ''}\n`);
          return [variable, join(folder, name)];
        }),
      );
      const config = readConfig(undefined, {
        ...environment,
        HERALD_SMTP_HOST: '127.0.0.1',
        HERALD_SMTP_FROM: 'noreply@acme.example',
        HERALD_SMTP_USER: 'acme',
      });
      expect(config.databaseUrl).toBe(texts['database-url']);
      expect(config.secretKeys).toEqual([texts['secret-key']]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

interface Manifest {
  readonly kind: string;
  readonly spec: { readonly template: { readonly spec: Pod } };
}
interface Pod {
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: object;
  readonly containers: readonly {
    readonly args: readonly string[];
    readonly env: readonly { readonly name: string; readonly value: string }[];
    readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
    readonly securityContext?: object;
    readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } };
  }[];
}

describe('the manifests of Kubernetes', () => {
  const documents = parseAllDocuments(block('yaml'));
  const manifests = documents.map((document) => document.toJS() as Manifest);
  const pod = manifests.find(({ kind }) => kind === 'Deployment')?.spec.template.spec;
  const worker = pod?.containers[0];

  test('are well-formed', () => {
    expect(documents.flatMap((document) => document.errors)).toEqual([]);
    expect(manifests.map(({ kind }) => kind)).toEqual(['Job', 'Deployment', 'NetworkPolicy']);
  });

  test('probe the paths and the port that a worker serves', () => {
    expect(worker?.livenessProbe?.httpGet).toEqual({ path: '/healthz', port: 'metrics' });
    expect(worker?.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'metrics' });
    expect(worker?.args).toEqual(['worker', '--metrics-port', '9464', '--metrics-host', '0.0.0.0']);
    expect(worker?.ports).toEqual([{ name: 'metrics', containerPort: 9464 }]);
  });

  test('leave a worker time to stop, and a file system that it cannot write to', () => {
    const timeout = Number(worker?.env.find(({ name }) => name === 'HERALD_STOP_TIMEOUT_SECONDS')?.value);
    expect(pod?.terminationGracePeriodSeconds).toBeGreaterThan(timeout);
    expect(pod?.securityContext).toMatchObject({ runAsNonRoot: true });
    expect(worker?.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  });
});
