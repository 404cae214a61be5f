/** Numbers of `data` keep the digits that Postgres holds, in every place that shows them. */
import { describe, expect, test } from 'vitest';
import { exactJson } from '../../src/database/exact-json.ts';
import { showMessage } from '../../src/operate/messages.ts';
import { collectingDispatcher, drain } from '../../src/testing/index.ts';
import { testWorker } from '../support/application.ts';
import { until } from '../support/wait.ts';
import { useDatabase } from '../support/use-database.ts';

describe('exactJson', () => {
  test.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', '9007199254740993'],
    ['-12345678901234567890', '-12345678901234567890'],
    ['1234567890123456.78', '1234567890123456.78'],
    ['0.30000000000000004', 0.30000000000000004],
    ['0.1234567890123456789', '0.1234567890123456789'],
    ['0.0000001', '0.0000001'],
    ['19.90', 19.9],
    ['1234567890123456.0', 1234567890123456],
    ['1000000000000000000000000', '1000000000000000000000000'],
    ['"9007199254740993"', '9007199254740993'],
    ['null', null],
  ])('reads %s as %j', (text, value) => {
    expect(exactJson(`{"a":[${text}],"pad":"1234567890123456"}`)).toEqual({ a: [value], pad: '1234567890123456' });
    expect(exactJson(text)).toEqual(value);
  });

  test('reads an absent column as null', () => {
    expect(exactJson(null)).toBeNull();
  });
});

describe('an id above 2^53', () => {
  const file = `---
title: "Order {{data.id}}"
actions: [{ label: Open, url: "{{baseUrl}}/orders/{{data.id}}" }]
---
{{data.big}} {{number data.id}} {{data.amount}}
`;
  const database = useDatabase({ templates: { order: file } });
  const data = `jsonb_build_object('id', 9007199254740993::bigint, 'big', 12345678901234567890::numeric, 'amount', 19.95)`;
  const enqueue = `SELECT message_id AS id FROM herald.enqueue('order', '{"id":"u","email":"u@example.com"}', data => ${data})`;
  const expected = {
    title: 'Order 9007199254740993',
    text: '12345678901234567890 9,007,199,254,740,993 19.95',
    actions: [{ label: 'Open', url: expect.stringMatching(/\/orders\/9007199254740993$/) }],
  };

  test('is the same in what a worker delivers, in the data of the message, and in its details', async () => {
    const { rows } = await database.pool.query<{ id: string }>(enqueue);
    const smtp = collectingDispatcher();
    const worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    await until(() => smtp.deliveries.length === 1);
    await worker.stop();
    expect(smtp.deliveries[0]).toMatchObject({
      content: expected,
      data: { id: '9007199254740993', big: '12345678901234567890', amount: 19.95 },
    });
    expect((await showMessage(database.pool, rows[0]?.id ?? ''))?.data).toMatchObject({ id: '9007199254740993' });
  });

  test('is the same in the tests of an application', async () => {
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(enqueue);
      expect((await drain(client))[0]).toMatchObject({ content: expected });
      await client.query('ROLLBACK');
    } finally {
      client.release();
    }
  });
});
