/** When a person may be reached next, on the clock of their wall: in any zone, on any day of the year. */
import { beforeEach, describe, expect, test } from 'vitest';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase();
beforeEach(() => database.pool.query('DELETE FROM herald.hours'));

interface Window {
  readonly days?: unknown;
  readonly from: string;
  readonly to: string;
}

/** The next opening of these windows, as the database says it. */
async function nextOpen(zone: string, windows: readonly Window[], at: string): Promise<string> {
  const { rows } = await database.pool.query<{ next: Date }>(
    `SELECT herald.next_opening(w.opens, w.closes, $1, $3) AS next FROM herald.check_windows($2) AS w`,
    [zone, JSON.stringify(windows), at],
  );
  return rows[0]?.next.toISOString() ?? '';
}
const daily = (from: string, to: string): Window[] => [{ from, to }];
const at = (time: string) => `${time}:00.000Z`;

describe('where the clock changes', () => {
  test.each([
    // The hour from 02:00 is skipped at 01:00 UTC.
    ['Europe/Berlin', '08:00', '20:00', '2027-03-27T21:00', '2027-03-28T06:00'],
    ['Europe/Berlin', '02:30', '05:00', '2027-03-28T00:30', '2027-03-28T01:00'],
    // The hour from 02:00 is shown twice, until 01:00 UTC and from then on.
    ['Europe/Berlin', '08:00', '20:00', '2027-10-30T20:00', '2027-10-31T07:00'],
    ['Europe/Berlin', '02:30', '02:45', '2027-10-31T00:10', '2027-10-31T00:30'],
    ['Europe/Berlin', '02:30', '02:45', '2027-10-31T00:50', '2027-10-31T01:30'],
    ['Europe/Berlin', '02:30', '02:45', '2027-10-31T01:50', '2027-11-01T01:30'],
    ['Europe/Berlin', '08:00', '20:00', '2027-06-30T23:00', '2027-07-01T06:00'],
    // A window that no clock shows on that day.
    ['America/New_York', '02:00', '03:00', '2027-03-14T06:30', '2027-03-15T06:00'],
    ['America/New_York', '08:00', '20:00', '2027-03-14T03:00', '2027-03-14T12:00'],
    ['America/New_York', '01:00', '01:30', '2027-11-07T05:45', '2027-11-07T06:00'],
    ['America/New_York', '08:00', '20:00', '2027-11-07T02:00', '2027-11-07T13:00'],
    ['America/New_York', '08:00', '20:00', '2027-07-04T02:00', '2027-07-04T12:00'],
    // Half an hour: 02:00 to 02:30 is skipped in October, 01:30 to 02:00 is repeated in April.
    ['Australia/Lord_Howe', '02:15', '04:00', '2027-10-02T15:00', '2027-10-02T15:30'],
    ['Australia/Lord_Howe', '01:30', '01:45', '2027-04-03T14:50', '2027-04-03T15:00'],
    ['Australia/Lord_Howe', '08:00', '20:00', '2027-04-03T12:00', '2027-04-03T21:30'],
    ['Australia/Lord_Howe', '08:00', '20:00', '2027-10-02T12:00', '2027-10-02T21:00'],
    ['Australia/Lord_Howe', '08:00', '20:00', '2027-06-30T12:00', '2027-06-30T21:30'],
    // 45 minutes beside the hour, and changes at a quarter to.
    ['Pacific/Chatham', '03:00', '05:00', '2027-09-25T13:30', '2027-09-25T14:00'],
    ['Pacific/Chatham', '03:00', '03:30', '2027-04-03T13:50', '2027-04-03T14:15'],
    ['Pacific/Chatham', '08:00', '20:00', '2027-09-25T10:00', '2027-09-25T18:15'],
    // No change at all, at the times of the others.
    ['Asia/Kathmandu', '08:00', '20:00', '2027-03-28T00:30', '2027-03-28T02:15'],
    ['Asia/Kathmandu', '08:00', '20:00', '2027-10-31T00:30', '2027-10-31T02:15'],
    ['Asia/Kathmandu', '08:00', '20:00', '2027-07-01T14:15', '2027-07-02T02:15'],
  ])('%s, open %s to %s: asked at %s it is %s', async (zone, from, to, asked, expected) => {
    expect(await nextOpen(zone, daily(from, to), at(asked))).toBe(at(expected));
  });

  test('a moment within a window is returned as it is, to the microsecond', async () => {
    const { rows } = await database.pool.query(
      `SELECT herald.next_opening(w.opens, w.closes, 'Europe/Berlin', t) = t AS same
       FROM herald.check_windows('[{"from": "08:00", "to": "20:00"}]') AS w, (VALUES ('2027-01-15 18:59:59.999999Z'::timestamptz)) AS v (t)`,
    );
    expect(rows).toEqual([{ same: true }]);
    expect(await nextOpen('Europe/Berlin', daily('08:00', '20:00'), at('2027-01-15T19:00'))).toBe(
      at('2027-01-16T07:00'),
    );
  });
});

describe('windows', () => {
  // 2027-01-15 is a Friday.
  test.each<[string, Window[], string, string]>([
    ['over midnight, in the evening', daily('22:00', '06:00'), '2027-01-15T23:00', '2027-01-15T23:00'],
    ['over midnight, in the morning', daily('22:00', '06:00'), '2027-01-15T05:59', '2027-01-15T05:59'],
    ['over midnight, at noon', daily('22:00', '06:00'), '2027-01-15T12:00', '2027-01-15T22:00'],
    [
      'a weekend that follows',
      [{ days: 'mon-fri', from: '08:00', to: '20:00' }],
      '2027-01-15T20:00',
      '2027-01-18T08:00',
    ],
    [
      'over midnight into a day that is not named',
      [{ days: 'fri', from: '22:00', to: '02:00' }],
      '2027-01-16T01:00',
      '2027-01-16T01:00',
    ],
    [
      'over midnight, not from a day that is not named',
      [{ days: 'fri', from: '22:00', to: '02:00' }],
      '2027-01-15T01:00',
      '2027-01-15T22:00',
    ],
    [
      'from Sunday night into Monday',
      [{ days: 'sun', from: '22:00', to: '02:00' }],
      '2027-01-18T01:00',
      '2027-01-18T01:00',
    ],
    [
      'a range over the weekend',
      [{ days: 'sat-mon', from: '10:00', to: '11:00' }],
      '2027-01-15T12:00',
      '2027-01-16T10:00',
    ],
    [
      'a list of days',
      [{ days: ['tue', 'thu-fri'], from: '10:00', to: '11:00' }],
      '2027-01-15T12:00',
      '2027-01-19T10:00',
    ],
    ['a list in one text', [{ days: 'Mon, Wed', from: '10:00', to: '11:00' }], '2027-01-15T12:00', '2027-01-18T10:00'],
    ['several a day', [...daily('08:00', '12:00'), ...daily('13:00', '18:00')], '2027-01-15T12:30', '2027-01-15T13:00'],
    ['that overlap', [...daily('08:00', '12:00'), ...daily('10:00', '18:00')], '2027-01-15T12:30', '2027-01-15T12:30'],
    ['once a week', [{ days: 'fri', from: '08:00', to: '09:00' }], '2027-01-15T09:00', '2027-01-22T08:00'],
    ['always', daily('00:00', '24:00'), '2027-01-15T03:33', '2027-01-15T03:33'],
  ])('%s', async (_, windows, asked, expected) => {
    expect(await nextOpen('Etc/UTC', windows, at(asked))).toBe(at(expected));
  });

  test('that touch or overlap become one, so that always is one week', async () => {
    const { rows } = await database.pool.query(
      `SELECT * FROM herald.check_windows('[{"from": "12:00", "to": "12:01"}, {"from": "12:01", "to": "12:00"}]')`,
    );
    expect(rows).toEqual([{ opens: [0], closes: [604_800] }]);
  });

  test.each<[string, unknown, string]>([
    ['no windows', [], 'windows'],
    ['an object', { from: '08:00', to: '20:00' }, 'windows'],
    ['51 windows', Array.from({ length: 51 }, () => ({ from: '08:00', to: '20:00' })), 'windows'],
    ['a text', ['08:00-20:00'], 'windows[0]'],
    ['another field', [{ from: '08:00', to: '20:00', zone: 'x' }], 'windows[0]'],
    ['no begin', [{ to: '20:00' }], 'windows[0].from'],
    ['a number', [{ from: 8, to: '20:00' }], 'windows[0].from'],
    ['a begin at 24:00', [{ from: '24:00', to: '20:00' }], 'windows[0].from'],
    ['a time without a zero', [{ from: '8:00', to: '20:00' }], 'windows[0].from'],
    ['an end after the day', [{ from: '08:00', to: '24:01' }], 'windows[0].to'],
    ['no length', [{ from: '08:00', to: '08:00' }], 'windows[0].to'],
    [
      'an unknown day',
      [
        { from: '08:00', to: '20:00' },
        { days: 'mon-fry', from: '08:00', to: '20:00' },
      ],
      'windows[1].days',
    ],
    ['no day', [{ days: '', from: '08:00', to: '20:00' }], 'windows[0].days'],
    ['an empty list of days', [{ days: [], from: '08:00', to: '20:00' }], 'windows[0].days'],
    ['days as an object', [{ days: {}, from: '08:00', to: '20:00' }], 'windows[0].days'],
    ['half a range', [{ days: 'mon-', from: '08:00', to: '20:00' }], 'windows[0].days'],
    ['days without a comma', [{ days: 'mon tue', from: '08:00', to: '20:00' }], 'windows[0].days'],
  ])('with %s are refused, and the place is named', async (_, windows, place) => {
    await expect(
      database.pool.query(`SELECT herald.set_hours('all', '', $1)`, [JSON.stringify(windows)]),
    ).rejects.toMatchObject({ code: 'HE006', column: place });
    expect((await database.pool.query('SELECT FROM herald.hours')).rowCount).toBe(0);
  });
});

describe('a time zone', () => {
  const known = async (zone: string | null) =>
    (await database.pool.query<{ known: string | null }>('SELECT herald.known_zone($1) AS known', [zone])).rows[0]
      ?.known;

  test.each([
    ['Europe/Berlin', 'Europe/Berlin'],
    ['america/argentina/buenos_aires', 'america/argentina/buenos_aires'],
    ['America/Port-au-Prince', 'America/Port-au-Prince'],
    ['Etc/GMT+5', 'Etc/GMT+5'],
    ['EST5EDT', 'America/New_York'],
    ['CET', 'Europe/Brussels'],
    ['UTC', 'Etc/UTC'],
    ['Z', null],
    // What Postgres takes as POSIX: a typing error after a name, and offsets with the sign turned round.
    ['EST5EDT4', null],
    ['Europe/Berlin2', null],
    ['UTC+2', null],
    ['<+02>-02', null],
    ['Etc/GMT+15', null],
    // What it takes as an abbreviation.
    ['PST', null],
    ['CEST', null],
    ['posix/Europe/Berlin', null],
    ['right/Europe/Berlin', null],
    ['Europe/../Europe/Berlin', null],
    ['Mars/Olympus', null],
    ['Europe/Atlantis', null],
    ['', null],
    [' Europe/Berlin', null],
    [null, null],
  ])('%s is %s to Postgres', async (zone, expected) => {
    expect(await known(zone)).toBe(expected);
  });

  test.each([
    ['+05:30', '2027-01-15T02:30'],
    ['+0530', '2027-01-15T02:30'],
    ['-08', '2027-01-15T16:00'],
    ['+00:00', '2027-01-15T08:00'],
  ])('%s is an offset as in ISO 8601, east of Greenwich with a plus', async (zone, expected) => {
    expect(await nextOpen((await known(zone)) ?? '', daily('08:00', '09:00'), at('2027-01-15T00:00'))).toBe(
      at(expected),
    );
  });

  test('CET has a summer time, which the abbreviation of that name has not', async () => {
    expect(await nextOpen((await known('CET')) ?? '', daily('08:00', '09:00'), at('2027-07-01T00:00'))).toBe(
      at('2027-07-01T06:00'),
    );
  });

  test.each([
    ["the recipient's hours", ['Asia/Tokyo', 'Asia/Seoul', 'Asia/Shanghai', 'Asia/Dubai'], 'Asia/Tokyo'],
    ['the recipient', ['Mars/Olympus', 'Asia/Seoul', 'Asia/Shanghai', 'Asia/Dubai'], 'Asia/Seoul'],
    ['the tenant', [null, 'EST5EDT4', 'Asia/Shanghai', 'Asia/Dubai'], 'Asia/Shanghai'],
    ['that for all', [null, null, 'Mars/Olympus', 'Asia/Dubai'], 'Asia/Dubai'],
    ['UTC at last', [null, '+99', null, 'Mars/Olympus'], 'UTC'],
  ])('that is unknown is passed over: %s', async (_, [own, given, tenant, all], expected) => {
    await database.pool.query(
      `INSERT INTO herald.hours (scope, subject, zone, windows, opens, closes)
       SELECT s.scope, s.subject, s.zone, '[]', '{28800}', '{72000}'
       FROM (VALUES ('recipient', 'ada', $1), ('tenant', 'acme', $2), ('all', '', $3)) AS s (scope, subject, zone)`,
      [own, tenant, all],
    );
    const { rows } = await database.pool.query(`SELECT scope, zone FROM herald.hours_of('ada', 'acme', $1)`, [given]);
    expect(rows).toEqual([{ scope: 'recipient', zone: expected }]);
  });

  test.each(['Mars/Olympus', 'EST5EDT4', 'PST', ''])('%j is refused when hours are set', async (zone) => {
    await expect(
      database.pool.query(`SELECT herald.set_hours('all', '', '[{"from": "08:00", "to": "20:00"}]', $1)`, [zone]),
    ).rejects.toMatchObject({ code: 'HE006', column: 'zone' });
  });
});

test("a recipient's hours replace the tenant's, and those replace the hours for all", async () => {
  const set = (scope: string, subject: string, from: string) =>
    database.pool.query('SELECT herald.set_hours($1, $2, $3)', [scope, subject, JSON.stringify(daily(from, '23:00'))]);
  const opens = async (recipient: string, tenant: string | null) =>
    (
      await database.pool.query<{ at: Date }>(`SELECT herald.next_open($1, $2, 'UTC', '2027-01-15T00:00Z') AS at`, [
        recipient,
        tenant,
      ])
    ).rows[0]?.at.getUTCHours();
  expect(await opens('ada', 'acme')).toBe(0);
  await set('all', '', '08:00');
  await set('tenant', 'acme', '10:00');
  await set('recipient', 'ada', '12:00');
  expect([await opens('ada', 'acme'), await opens('bob', 'acme'), await opens('bob', null)]).toEqual([12, 10, 8]);
  await database.pool.query(
    `SELECT herald.set_hours('recipient', 'ada', NULL), herald.set_hours('tenant', 'acme', 'null')`,
  );
  expect(await opens('ada', 'acme')).toBe(8);
});

test.each([
  ['an unknown scope', `'group', 'x'`, 'HE006', 'scope'],
  ['all of somebody', `'all', 'x'`, 'HE006', 'scope'],
  ['a recipient without an id', `'recipient', ''`, 'HE006', 'scope'],
  ['two lines', `'tenant', E'a\\nb'`, 'HE003', 'subject'],
])('%s is refused', async (_, subject, code, column) => {
  await expect(
    database.pool.query(`SELECT herald.set_hours(${subject}, '[{"from": "08:00", "to": "20:00"}]')`),
  ).rejects.toMatchObject({ code, column });
});
