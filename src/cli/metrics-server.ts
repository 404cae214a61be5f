/** What a worker process serves to Prometheus and to an orchestrator: /metrics, /healthz and /readyz. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { MeterProvider } from '@opentelemetry/api';
import type { Worker } from '../delivery/worker.ts';
import { ConfigurationError } from '../errors.ts';
import { optionalPackage } from '../optional-package.ts';

/** An HTTP server with /metrics, /healthz and /readyz. */
export interface MetricsServer {
  /** For the worker, so that /metrics shows its metrics. */
  readonly meterProvider: MeterProvider;
  /** Starts to listen and returns the URL. @throws {ConfigurationError} if the address is not available. */
  listen(worker: Pick<Worker, 'health'>): Promise<string>;
  close(): Promise<void>;
}

/** Where it listens. */
export interface MetricsAddress {
  readonly host: string;
  /** 0 is any free port. */
  readonly port: number;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Loads the SDK only when it is called: a worker without metrics does not pay for it.
 * @throws {ConfigurationError} if its packages are not installed.
 */
export async function createMetricsServer({ host, port }: MetricsAddress): Promise<MetricsServer> {
  const [{ MeterProvider }, { PrometheusExporter, PrometheusSerializer }] = await optionalPackage(
    () => Promise.all([import('@opentelemetry/sdk-metrics'), import('@opentelemetry/exporter-prometheus')]),
    '@opentelemetry/sdk-metrics @opentelemetry/exporter-prometheus',
    '--metrics-port',
  );
  const reader = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  let server: Server | null = null;

  async function metrics(): Promise<Answer> {
    const { resourceMetrics } = await reader.collect();
    const body = serializer.serialize(resourceMetrics);
    return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body };
  }

  return {
    meterProvider,
    async listen(worker) {
      const routes: Readonly<Record<string, () => Promise<Answer>>> = {
        '/metrics': metrics,
        // Any answer shows that the process is alive and its event loop runs. Nothing that a restart cannot fix belongs
        // here: a database that is down is reported by /readyz.
        '/healthz': async () => json(200, { status: 'alive', uptimeSeconds: Math.round(process.uptime()) }),
        '/readyz': async () => {
          const health = await worker.health();
          return json(health.ready ? 200 : 503, health);
        },
      };
      server = createServer((request, response) => void answer(request, response, routes));
      server.listen(port, host);
      await once(server, 'listening').catch((error: unknown) => {
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
        throw new ConfigurationError('--metrics-port', `cannot listen on ${host} port ${port} (${code})`);
      });
      return `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
    },
    async close() {
      server?.close();
      server?.closeAllConnections();
      await meterProvider.shutdown();
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: Readonly<Record<string, () => Promise<Answer>>>,
): Promise<void> {
  const path = (request.url ?? '').replace(/[?#].*$/s, '');
  const { status, type, body } = await answerOf(
    request.method ?? '',
    Object.hasOwn(routes, path) ? routes[path] : undefined,
  );
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answerOf(method: string, route: (() => Promise<Answer>) | undefined): Promise<Answer> {
  if (route === undefined) return json(404, { error: 'not found: use /metrics, /healthz or /readyz' });
  if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'method not allowed: use GET or HEAD' });
  return route().catch(() => json(500, { error: 'metrics cannot be collected' }));
}

function json(status: number, body: object): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(body)}\n` };
}
