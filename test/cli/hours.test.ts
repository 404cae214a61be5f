/** Quiet hours from the command line. */
import { describe, expect, test } from 'vitest';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { runCli } from './support.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = (...args: string[]) => runCli(args, { DATABASE_URL: database.url });

describe('pg-herald hours', () => {
  test('sets, lists, shows and removes hours, and records who did it, but not the recipient', async () => {
    expect(
      await herald(
        'hours',
        'set',
        '--all',
        '--time-zone',
        'Europe/Berlin',
        'mon-fri 08:00-20:00',
        'sat,sun 10:00-18:00',
      ),
    ).toEqual({ code: 0, out: 'stored\n', err: '' });
    expect((await herald('hours', 'set', '--recipient', 'ada@example.com', 'always')).code).toBe(0);
    expect(JSON.parse((await herald('hours', 'list', '--json')).out)).toMatchObject([
      {
        scope: 'all',
        timeZone: 'Europe/Berlin',
        windows: [
          { days: 'mon-fri', from: '08:00', to: '20:00' },
          { days: 'sat,sun', from: '10:00', to: '18:00' },
        ],
      },
      { scope: 'recipient', subject: 'ada@example.com', timeZone: null, windows: [{ from: '00:00', to: '24:00' }] },
    ]);
    const at = ['--at', '2037-01-16T20:00:00Z'];
    expect((await herald('hours', 'show', 'bob', '--time-zone', 'Asia/Kathmandu', ...at)).out).toBe(
      'open mon-fri 08:00-20:00; sat,sun 10:00-18:00 Asia/Kathmandu (for all)\nclosed until 2037-01-17 04:15:00 UTC\n',
    );
    expect((await herald('hours', 'show', 'ada@example.com', ...at)).out).toContain('(of the recipient)\nopen\n');
    expect((await herald('hours', 'remove', '--recipient', 'ada@example.com')).out).toBe('removed\n');
    const { rows } = await database.pool.query('SELECT action, subject FROM herald.audit ORDER BY at');
    expect(rows).toEqual([
      { action: 'hours set', subject: 'all' },
      { action: 'hours set', subject: 'a recipient' },
      { action: 'hours remove', subject: 'a recipient' },
    ]);
  });

  test('says which methods wait, and doctor and status tell about zones and waiting messages', async () => {
    expect((await herald('hours', 'method', 'webhook', '--wait')).out).toBe('webhook waits for quiet hours to end\n');
    expect(await herald('hours', 'method', 'fax', '--wait')).toMatchObject({ code: 2 });
    await database.pool.query(
      `SELECT herald.set_hours('all', '', jsonb_build_array(jsonb_build_object(
         'from', to_char(now() AT TIME ZONE 'UTC' + interval '2 hours', 'HH24:MI'),
         'to', to_char(now() AT TIME ZONE 'UTC' + interval '3 hours', 'HH24:MI'))));
       SELECT herald.enqueue('greeting', '{"id": "ada", "email": "ada@example.com", "timeZone": "UTC+2"}', '{"who": "A"}')`,
    );
    expect((await herald('status', '--table')).out).toContain(
      'smtp: 1 of the pending messages waits for quiet hours to end',
    );
    expect((await herald('doctor')).out).toContain('1 recipient with an unknown time zone: "UTC+2" (1, such as ada)');
    const [line] = JSON.parse(
      (await herald('send', 'greeting', '--to', 'b@example.com', '--label', 'who=B', '--urgent', '--json')).out,
    );
    expect(line).toMatchObject({ status: 'pending', reason: null });
    const { rows } = await database.pool.query(`SELECT id FROM herald.message WHERE reason = 'quiet_hours'`);
    expect(JSON.parse((await herald('why', rows[0].id, '--json')).out)).toMatchObject({
      reason: 'quiet_hours',
      quietHours: { zone: 'UTC', scope: 'all', localTime: expect.stringMatching(/^\d\d:\d\d$/) },
    });
  });

  test.each<[string[], string]>([
    [['--all', '8-20'], 'invalid hours "8-20": expected for example "mon-fri 08:00-20:00", 08:00-20:00 or always'],
    [['08:00-20:00'], 'give exactly one of --recipient, --tenant and --all'],
    [['--all', '--time-zone', 'PST', '08:00-20:00'], 'timeZone: unknown time zone "PST". Write a name of IANA'],
    [['--all', 'mo-fr 08:00-20:00'], 'windows[0].days: windows[0].days must be days such as "mon", "mon-fri"'],
  ])('set %j exits with 2 and one line', async (args, expected) => {
    const { code, err } = await herald('hours', 'set', ...args);
    expect(code).toBe(2);
    expect(err).toContain(expected);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});
