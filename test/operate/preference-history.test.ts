/** What a recipient had chosen at a time, and who had set it. */
import { describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { setPreference } from '../../src/enqueue/preferences.ts';
import { erase } from '../../src/operate/erase.ts';
import { preferenceAt, preferenceText } from '../../src/operate/preference-history.ts';
import { transaction } from '../../src/database/pool.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase({ templates: { greeting: greetingFile, farewell: greetingFile } });
const herald = createHerald();

const now = new Date('2999-01-01T00:00:00Z');
const hour = (n: number) => new Date(Date.UTC(2026, 0, 1, n));
const about = (recipientId: string, template = 'greeting') =>
  ({ recipientId, template, group: 'Greetings', method: 'smtp' }) as const;
const at = (recipientId: string, time: Date, template?: string) =>
  preferenceAt(database.pool, about(recipientId, template), time);
const history = async (recipientId: string) =>
  (
    await database.pool.query(
      `SELECT scope, subject, method, enabled, changed_by AS by FROM herald.preference_history
       WHERE recipient_id = $1 ORDER BY id`,
      [recipientId],
    )
  ).rows;

describe('the history of preferences', () => {
  test('has each change with who made it, and nothing where nothing changed', async () => {
    const choice = { recipientId: 'ada', group: 'Greetings' };
    await herald.setPreference(database.pool, { ...choice, enabled: false });
    await herald.setPreference(database.pool, { ...choice, enabled: false });
    await setPreference(database.pool, { ...choice, enabled: true }, 'operator');
    await database.pool.query(`SELECT herald.set_preference('ada', 'group', 'Greetings', false)`);
    await database.pool.query(`SELECT * FROM herald.unsubscribe('ada', 'greeting', 'smtp')`);
    await database.pool.query(
      `UPDATE herald.preference SET enabled = true WHERE recipient_id = 'ada' AND method = '*'`,
    );
    await herald.setPreference(database.pool, { ...choice, enabled: null });
    const change = { scope: 'group', subject: 'Greetings', method: '*' };
    expect(await history('ada')).toEqual([
      { ...change, enabled: false, by: 'api' },
      { ...change, enabled: true, by: 'operator' },
      { ...change, enabled: false, by: 'sql' },
      { ...change, method: 'smtp', enabled: false, by: 'link' },
      { ...change, enabled: true, by: 'sql' },
      { ...change, enabled: null, by: 'api' },
    ]);
  });

  test('does not say "api" for SQL of the same transaction, and holds nothing that was rolled back', async () => {
    await transaction(database.pool, async (tx) => {
      await herald.setPreference(tx, { recipientId: 'bob', template: 'greeting', enabled: false });
      await tx.query(`DELETE FROM herald.preference WHERE recipient_id = 'bob'`);
    });
    await transaction(database.pool, async (tx) => {
      await herald.setPreference(tx, { recipientId: 'bob', template: 'greeting', enabled: true });
      throw new Error('rolled back');
    }).catch(() => undefined);
    expect((await history('bob')).map(({ enabled, by }) => [enabled, by])).toEqual([
      [false, 'api'],
      [null, 'sql'],
    ]);
  });

  test('is erased with the person', async () => {
    await herald.setPreference(database.pool, { recipientId: 'eve', enabled: false });
    await erase(database.pool, { recipientId: 'eve' });
    expect(await history('eve')).toEqual([]);
  });
});

describe('the preference at a time', () => {
  test('is what applied then, not what applies now', async () => {
    const steps = [
      { group: 'Greetings', enabled: false },
      { template: 'greeting', enabled: true },
      { template: 'greeting', enabled: null },
      { group: 'Greetings', enabled: true },
    ];
    for (const step of steps)
      await herald.setPreference(database.pool, { recipientId: 'kim', method: 'smtp', ...step });
    await database.pool.query(
      `UPDATE herald.preference_history h SET at = $1::timestamptz + n * interval '1 hour'
       FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM herald.preference_history WHERE recipient_id = 'kim') o
       WHERE o.id = h.id`,
      [hour(0)],
    );
    const times = [0, 1, 2, 3, 4].map(hour);
    const found = await Promise.all(times.map((time) => at('kim', time)));
    expect(found.map((one) => one && [one.scope, one.enabled])).toEqual([
      null,
      ['group', false],
      ['template', true],
      ['group', false],
      ['group', true],
    ]);
    // The other template of the group follows the group all the time.
    const other = await Promise.all(times.map((time) => at('kim', time, 'farewell')));
    expect(other.map((one) => one?.enabled)).toEqual([undefined, false, false, false, true]);
  });

  test('agrees with what decides now, whatever was chosen', async () => {
    const choices = ['template:greeting', 'group:Greetings', 'all:'].flatMap((what) =>
      ['smtp', '*', 'webhook'].map((method) => ({ what, method })),
    );
    for (const [index, { what, method }] of [...choices, ...choices.toReversed()].entries()) {
      const [scope, subject] = what.split(':');
      await database.pool.query('SELECT herald.set_preference($1, $2, $3, $4, $5)', [
        'max',
        scope,
        subject,
        [true, false, null][index % 3],
        method,
      ]);
      const { rows } = await database.pool.query(
        `SELECT herald.preference_of('max', 'greeting', 'Greetings', 'smtp') AS enabled`,
      );
      expect((await at('max', now))?.enabled ?? null).toBe(rows[0].enabled);
    }
  });

  test('is told in words', async () => {
    await database.pool.query(`SELECT * FROM herald.unsubscribe('lee', 'greeting', 'smtp')`);
    expect(preferenceText(await at('lee', now))).toMatch(
      /^group "Greetings" off for smtp, set at \d{4}-.*Z by the recipient, by a link in a message$/,
    );
    expect(preferenceText(null)).toBe("no preference of the recipient, so the template's default");
  });
});
