/** One picture from an application's request to the reply of the email server. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AlwaysOffSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { createHerald, type Herald } from '../../src/enqueue/enqueue.ts';
import type { Worker } from '../../src/delivery/worker.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { startHttpServer } from '../support/http-server.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { asyncContextManager, type KeptSpans, keepSpans } from '../support/tracing.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
let server: TestSmtpServer;
let worker: Worker | null = null;
beforeAll(async () => {
  server = await startSmtpServer();
  context.setGlobalContextManager(asyncContextManager());
});
afterEach(async () => {
  await worker?.stop();
  worker = null;
  trace.disable();
  await database.pool.query('TRUNCATE herald.message, herald.notification, herald.attempt');
});
afterAll(async () => {
  context.disable();
  await server.close();
});

const mail = (): Dispatcher =>
  smtp({ host: '127.0.0.1', port: server.port, tls: 'none', from: { address: 'noreply@acme.example' } });

async function run(
  kept: KeptSpans,
  dispatchers: Record<string, Dispatcher> = { smtp: mail() },
  logger = keepingLogger(),
) {
  worker = testWorker(database.url, { dispatchers, telemetry: { tracerProvider: kept.provider }, logger });
  await worker.start();
  return logger;
}

const enqueue = (herald: Herald, id = 'ada', more: object = {}) =>
  herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id, email: `${id}@example.com` },
    labels: { who: 'you' },
    ...more,
  });
const named = (kept: KeptSpans, name: string) => kept.spans().filter((span) => span.name === name);
const settled = (status: string) =>
  until(async () => (await database.pool.query('SELECT FROM herald.message WHERE status = $1', [status])).rowCount);
const storedContext = async () =>
  (await database.pool.query<{ c: unknown }>('SELECT trace_context AS c FROM herald.notification')).rows.map(
    ({ c }) => c,
  );

describe('a trace', () => {
  test('goes from the request of an application to the reply of the email server', async () => {
    const kept = keepSpans();
    // As an application does it: everything global, and nothing told to pg-herald.
    trace.setGlobalTracerProvider(kept.provider);
    const herald = createHerald();
    const application = createServer((_request, response) => {
      void trace
        .getTracer('application')
        .startActiveSpan('POST /workspaces', { kind: SpanKind.SERVER }, async (span) => {
          const client = await database.pool.connect();
          await client.query('BEGIN');
          await herald.enqueue(client, greeting, {
            to: { id: 'ada', email: 'ada@example.com' },
            labels: { who: 'Ada' },
          });
          await client.query('COMMIT');
          client.release();
          span.end();
          response.end();
        });
    }).listen(0, '127.0.0.1');
    await once(application, 'listening');
    worker = testWorker(database.url, { dispatchers: { smtp: mail() } });
    await worker.start();
    await fetch(`http://127.0.0.1:${(application.address() as AddressInfo).port}/`);
    const [delivery] = await until(() => {
      const found = named(kept, 'deliver greeting');
      return found.length > 0 && found;
    });
    application.close();
    expect(kept.tree(delivery?.spanContext().traceId ?? '')).toEqual([
      'POST /workspaces',
      '  enqueue greeting',
      '    deliver greeting',
      '      dispatch smtp',
    ]);
    const [enqueued] = named(kept, 'enqueue greeting');
    expect(delivery?.links.map((link) => link.context.spanId)).toEqual([enqueued?.spanContext().spanId]);
    // The conventions keep it off the span of one message.
    expect(enqueued?.attributes).not.toHaveProperty('messaging.batch.message_count');
    const [dispatch] = named(kept, 'dispatch smtp');
    expect([enqueued?.kind, delivery?.kind, dispatch?.kind]).toEqual([
      SpanKind.PRODUCER,
      SpanKind.CONSUMER,
      SpanKind.CLIENT,
    ]);
    expect(dispatch?.attributes).toEqual({ 'herald.outcome': 'sent', 'herald.reply.code': '250' });
    expect(delivery?.attributes).toMatchObject({
      'messaging.system': 'pg-herald',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'greeting',
      'messaging.destination.subscription.name': 'smtp',
      'messaging.message.id': enqueued?.attributes['messaging.message.id'],
      'herald.attempt': 1,
      'herald.status': 'sent',
    });
    // Leases, settlements and whatever else pg-boss does make no traces of their own.
    expect(kept.spans()).toHaveLength(4);
  });

  test('goes on from SQL with the trace context that was given there', async () => {
    const kept = keepSpans();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await database.pool.query('SELECT herald.enqueue($1::jsonb)', [
      JSON.stringify({
        template: 'greeting',
        to: { id: 'ada', email: 'ada@example.com' },
        labels: { who: 'Ada' },
        traceContext: { traceparent, tracestate: 'vendor=x' },
      }),
    ]);
    const logger = await run(kept);
    const [delivery] = await until(() => {
      const found = named(kept, 'deliver greeting');
      return found.length > 0 && found;
    });
    expect(delivery?.spanContext().traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    expect(delivery?.parentSpanContext?.spanId).toBe('00f067aa0ba902b7');
    expect(delivery?.spanContext().traceState?.get('vendor')).toBe('x');
    expect(logger.lines.find((line) => line.message === 'attempt')?.fields).toMatchObject({
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    });
  });

  test('has a span for each attempt, with the reason of those that fail and not a word of the receiver', async () => {
    const kept = keepSpans();
    await enqueue(createHerald({ telemetry: { tracerProvider: kept.provider } }));
    const answers = scriptedDispatcher(({ attempt }) =>
      attempt === 1
        ? {
            outcome: 'retry',
            reason: 'deferred',
            detail: 'ada@example.com is busy',
            reply: { code: '450', text: 'ada@example.com' },
          }
        : { outcome: 'sent' },
    );
    await run(kept, { smtp: answers });
    await settled('sent');
    await until(() => named(kept, 'deliver greeting').length === 2);
    const [first, second] = named(kept, 'deliver greeting');
    expect(first?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'deferred' });
    expect(first?.attributes).toMatchObject({
      'error.type': 'deferred',
      'herald.status': 'pending',
      'herald.reply.code': '450',
    });
    expect(second?.attributes).toMatchObject({ 'herald.attempt': 2, 'herald.status': 'sent' });
    expect(second?.parentSpanContext?.spanId).toBe(first?.parentSpanContext?.spanId);
    expect(kept.tree(first?.spanContext().traceId ?? '')).toHaveLength(5);
  });

  test('of an enqueue of several messages counts them', async () => {
    const kept = keepSpans();
    await createHerald({ telemetry: { tracerProvider: kept.provider } }).enqueue(database.pool, greeting, {
      autocommit: true,
      to: ['ada', 'bob', 'eve'].map((id) => ({ id, email: `${id}@example.com` })),
      labels: { who: 'all' },
    });
    expect(kept.spans()[0]?.attributes).toMatchObject({ 'messaging.batch.message_count': 3 });
  });

  test('of an enqueue that was refused names the error and nothing that it says', async () => {
    const kept = keepSpans();
    const herald = createHerald({ telemetry: { tracerProvider: kept.provider } });
    await expect(
      herald.enqueue(database.pool, greeting, {
        autocommit: true,
        to: { id: 'ada', email: 'ada @example' },
        labels: { who: 'Ada' },
        strict: true,
      }),
    ).rejects.toThrow();
    const [span] = kept.spans();
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(span?.attributes).toEqual({ 'error.type': 'InvalidNotificationError' });
    expect(span?.events).toEqual([]);
  });

  test('that is not sampled is carried all the same, and makes no span', async () => {
    const kept = keepSpans();
    const off = new TracerProvider({ sampler: new AlwaysOffSampler() });
    await enqueue(createHerald({ telemetry: { tracerProvider: off } }));
    expect(await storedContext()).toEqual([
      { traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/) },
    ]);
    await run(kept);
    await settled('sent');
    await worker?.stop();
    expect(kept.spans()).toEqual([]);
  });

  test("stores the caller's own trace context where one is given", async () => {
    const kept = keepSpans();
    const given = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
    await enqueue(createHerald({ telemetry: { tracerProvider: kept.provider } }), 'ada', { traceContext: given });
    expect(await storedContext()).toEqual([given]);
  });

  test('stores neither a trace context nor baggage without tracing', async () => {
    const baggage = propagation.createBaggage({ user: { value: 'ada@example.com' } });
    await context.with(propagation.setBaggage(context.active(), baggage), () => enqueue(createHerald()));
    const kept = keepSpans();
    await context.with(propagation.setBaggage(context.active(), baggage), () =>
      enqueue(createHerald({ telemetry: { tracerProvider: kept.provider } })),
    );
    const stored = await storedContext();
    expect(stored).toContain(null);
    expect(JSON.stringify(stored)).not.toContain('ada');
  });

  test.each([
    { traceparent: 'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
    { traceparent: '00-00000000000000000000000000000000-00f067aa0ba902b7-01' },
    { traceparent: 'x\r\nbcc: eve@example.com' },
    { other: 'x' },
    {},
  ])('begins anew where the stored context is none: %j', async (traceContext) => {
    const kept = keepSpans();
    const logger = keepingLogger();
    await enqueue(createHerald(), 'ada', { traceContext });
    await run(kept, undefined, logger);
    await settled('sent');
    const [delivery] = await until(() => {
      const found = named(kept, 'deliver greeting');
      return found.length > 0 && found;
    });
    expect(delivery?.parentSpanContext).toBeUndefined();
    expect(delivery?.links).toEqual([]);
  });

  test('goes on at a webhook receiver where that is wanted, and nowhere else', async () => {
    const receiver = await startHttpServer();
    const kept = keepSpans();
    const herald = createHerald({ telemetry: { tracerProvider: kept.provider } });
    const to = (sendTraceContext: boolean) =>
      webhook({
        endpoint: { url: receiver.url, secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}` },
        egress: { allowCidrs: ['127.0.0.1'] },
        sendTraceContext,
      });
    await run(kept, { webhook: to(true) });
    await enqueue(herald, 'ada', { methods: ['webhook'] });
    const [first] = await receiver.waitFor(1);
    await settled('sent');
    await worker?.stop();
    const [dispatch] = named(kept, 'dispatch webhook');
    const { traceId = '', spanId = '' } = dispatch?.spanContext() ?? {};
    expect(first?.headers['traceparent']).toBe(`00-${traceId}-${spanId}-01`);

    await run(kept, { webhook: to(false) });
    await enqueue(herald, 'grace', { methods: ['webhook'] });
    const [, second] = await receiver.waitFor(2);
    expect(second?.headers['traceparent']).toBeUndefined();
    await receiver.close();
  });
});
