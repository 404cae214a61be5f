/**
 * Random calls of the functions for operators: each succeeds, or fails with an error that names the place; none shows
 * an error from inside. `npm run test:random` makes 100,000 of them; RANDOM_SEED repeats a run.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import * as api from '../../src/index.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { type Call, of, or, problemOf } from '../support/random-calls.ts';
import { useDatabase } from '../support/use-database.ts';

const calls = Number(process.env['RANDOM_CALLS'] ?? 1000);
const seed = Number(process.env['RANDOM_SEED'] ?? (calls === 1000 ? 20261127 : Date.now() % 1_000_000));
const ids = Array.from({ length: 3 }, (_, i) => `01932f4e-9a00-7123-8123-12345678900${i}`);

const database = useDatabase({
  templates: { greeting: greetingFile },
  prepare: (pool) =>
    createHerald().enqueue(pool, greeting, {
      autocommit: true,
      to: ['ada', 'bob'].map((id) => ({ id, email: `${id}@example.com` })),
      labels: { who: 'all' },
    }),
});

const text = or(fc.constantFrom('ada', 'smtp', 'greeting', 'ada@example.com', 'Teams'));
const id = or(fc.constantFrom(...ids));
const idList = or(fc.array(id, { maxLength: 3 }));
const time = or(fc.date({ min: new Date('2020-01-01'), max: new Date('2021-01-01'), noInvalidDate: true }));
const number = or(fc.constantFrom(0, 1, 10, 1000));
const note = or(fc.record({ by: text, why: text }, { requiredKeys: ['by'] }));
const filter = or(
  fc.record(
    {
      ...{ method: text, template: text, recipientId: text, address: text, who: text, target: text, reason: text },
      ...{ dedupeKey: text, endpointId: id, since: time, until: time, status: or(fc.constantFrom('pending', 'sent')) },
      anyStatus: or(fc.array(or(fc.constantFrom('failed', 'held')), { maxLength: 2 })),
      unknown: text,
    },
    { requiredKeys: [] },
  ),
);
const cursor = or(fc.record({ createdAt: time, id, createdMicros: or(fc.constantFrom('0', '1795000000000000')) }));
const page = or(fc.record({ limit: number, after: cursor }, { requiredKeys: ['limit'] }));

const brand = or(
  fc.record(
    { appName: text, baseUrl: text, color: or(fc.constant('#0b5cad')), footer: or(fc.array(text)), logoWidth: number },
    { requiredKeys: [] },
  ),
);

/** The arguments of each function after the pool. */
const functions: { readonly [Name in keyof typeof api]?: readonly fc.Arbitrary<unknown>[] } = {
  listMessages: [filter, page],
  findMessages: [filter, page],
  countMessages: [filter, number],
  showMessage: [id],
  retryMessages: [idList],
  holdMessages: [idList, note],
  releaseMessages: [idList],
  discardMessages: [idList, note],
  cancelMessages: [or(fc.record({ ids: idList })), note],
  recordAudit: [or(fc.record({ actor: text, action: text, subject: text, why: text }))],
  listAudit: [or(fc.record({ subject: text, limit: number }, { requiredKeys: [] }))],
  setTemplateEnabled: [text, or(fc.boolean())],
  setTemplateMethods: [text, or(fc.array(text, { maxLength: 2 }))],
  setMethodEnabled: [text, or(fc.boolean())],
  erasePerson: [or(fc.oneof(fc.record({ recipientId: text }), fc.record({ address: text })))],
  pauseMethod: [or(fc.record({ method: text, by: text, why: text }))],
  resumeMethod: [or(fc.record({ method: text }))],
  purgeMessages: [or(fc.record({ before: time, batchSize: number }, { requiredKeys: ['before'] }))],
  setRetention: [or(fc.record({ group: text, days: number, by: text }))],
  listSuppressions: [or(fc.record({ address: text }))],
  suppressAddress: [or(fc.record({ method: text, address: text, reason: text }))],
  listTenants: [or(fc.record({ after: text, limit: number }, { requiredKeys: [] }))],
  showTenant: [text],
  setTenant: [text, or(fc.record({ brand, sender: text, locale: text, timeZone: text }, { requiredKeys: [] }))],
  removeTenant: [text],
  unsuppressAddress: [or(fc.record({ method: text, address: text }))],
};

const functionOf = new Map<string, unknown>(Object.entries(api));
const call: fc.Arbitrary<Call> = fc.oneof(
  ...Object.entries(functions).map(([name, args]) =>
    fc
      .tuple(...args)
      .map((given) =>
        of(name, given, () =>
          (functionOf.get(name) as (...input: unknown[]) => Promise<unknown>)(database.pool, ...given),
        ),
      ),
  ),
);

const title = `${calls.toLocaleString('en-US')} random calls of operators succeed or fail clearly (seed ${seed})`;
test(title, { timeout: 3_600_000 }, async () => {
  const problems = new Map<string, string>();
  for (const each of fc.sample(call, { numRuns: calls, seed })) {
    const problem = await problemOf(each);
    if (problem !== null && !problems.has(problem)) problems.set(problem, each.what);
  }
  expect(Object.fromEntries(problems)).toEqual({});
});
