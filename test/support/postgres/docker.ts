/** A PostgreSQL server in a container, where a Docker engine answers. */
import { get } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort, type Shutdown } from '../../../src/development/postgres/local-server.ts';

export interface DockerServer {
  /** Where the engine publishes ports: another machine if DOCKER_HOST names one. */
  readonly host: string;
  readonly port: number;
  readonly version: number;
  readonly stop: () => Promise<void>;
  readonly restart: (shutdown: Shutdown) => Promise<void>;
}

interface DockerOptions {
  readonly version?: number | undefined;
  readonly settings: Readonly<Record<string, string>>;
  readonly password: string | undefined;
}

/** Throws when no engine answers within a second. */
export async function startDocker({ version = 18, settings, password }: DockerOptions): Promise<DockerServer> {
  if (!(await engineAnswers())) throw new Error('no Docker engine answers');
  const { GenericContainer } = await import('testcontainers');
  const port = await freePort();
  const authentication =
    password === undefined ? { POSTGRES_HOST_AUTH_METHOD: 'trust' } : { POSTGRES_PASSWORD: password };
  const container = await new GenericContainer(`postgres:${version}-alpine`)
    .withEnvironment({ ...authentication, POSTGRES_INITDB_ARGS: '--locale=C --encoding=UTF8' })
    .withCommand(['postgres', ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])])
    // A fixed port, because an assigned one would be another after a restart.
    .withExposedPorts({ container: 5432, host: port })
    .start();
  const host = container.getHost();
  await accepts({ host, port, password });
  return {
    host,
    port,
    version,
    stop: async () => {
      await container.stop();
    },
    restart: async (shutdown) => {
      // The image stops by SIGINT, the fast shutdown; without time to stop it is killed.
      await container.restart({ timeout: shutdown === 'fast' ? 10_000 : 0 });
      await accepts({ host, port, password });
    },
  };
}

async function engineAnswers(): Promise<boolean> {
  const host = process.env['DOCKER_HOST'];
  if (host && !host.startsWith('unix://')) return pings({ host: new URL(host).hostname, port: new URL(host).port });
  const sockets = host
    ? [host.slice('unix://'.length)]
    : ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')];
  const answers = await Promise.all(sockets.map((socketPath) => pings({ socketPath })));
  return answers.includes(true);
}

function pings(target: { socketPath: string } | { host: string; port: string }): Promise<boolean> {
  return new Promise((answer) => {
    const request = get({ ...target, path: '/_ping', timeout: 1000 }, (response) => {
      response.resume();
      answer(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy()).on('error', () => answer(false));
  });
}

/** While the image prepares its folder, and after a restart, the port is open before the server listens. */
async function accepts(at: { host: string; port: number; password: string | undefined }): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const client = new Client({ ...at, user: 'postgres', database: 'postgres' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resume) => setTimeout(resume, 100));
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
