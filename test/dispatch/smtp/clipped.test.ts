/** Gmail hides the end of an email whose HTML is long: the worker says so. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { createRenderer } from '../../../src/templates/render.ts';
import { keepingLogger } from '../../support/application.ts';
import { startSmtpServer } from '../../support/smtp-server.ts';
import { context, delivery } from '../support.ts';

let relay: Awaited<ReturnType<typeof startSmtpServer>>;
beforeAll(async () => {
  relay = await startSmtpServer();
});
afterAll(() => relay.close());

const table = {
  name: 'report',
  title: 'Report',
  body: '| a | b | c |\n|---|---|---|\n{{#each data}}\n| {{this}} | x | y |\n{{/each}}',
  actions: [],
};
const render = createRenderer();
const contentOf = (rows: number) => {
  const { brand, recipient, createdAt } = delivery();
  const data = Array.from({ length: rows }, (_, index) => `secret-${index}`);
  return render({ template: table, recipient, labels: {}, data, brand, createdAt });
};

test.each([
  ['500 rows, at the first attempt', { rows: 500, attempt: 1 }, true],
  ['500 rows, at the second attempt', { rows: 500, attempt: 2 }, false],
  ['20 rows', { rows: 20, attempt: 1 }, false],
])('a table of %s', async (_, { rows, attempt }, warned) => {
  const logger = keepingLogger();
  const from = { address: 'noreply@acme.example' };
  const dispatcher = smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from });
  await dispatcher.start?.({ method: 'smtp', pool: null as never, logger });
  const message = delivery({ method: 'smtp', attempt, content: contentOf(rows) });
  expect(await dispatcher.dispatch(message, { ...context(), logger })).toMatchObject({ outcome: 'sent' });
  await dispatcher.close?.();
  const lines = logger.lines.filter(({ message: text }) => text.startsWith('Gmail clips'));
  expect(lines.map(({ level, fields }) => ({ level, fields }))).toEqual(
    warned
      ? [
          {
            level: 'warn',
            fields: { messageId: message.messageId, template: 'workspace-deleted', bytes: expect.any(Number) },
          },
        ]
      : [],
  );
  expect(JSON.stringify(logger.lines)).not.toContain('secret-');
});
