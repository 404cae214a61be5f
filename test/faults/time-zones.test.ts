/**
 * Quiet hours in every time zone of IANA, over every change of the clock from 2024 to 2030, against an independent
 * implementation: the offsets come from ICU (Node), and the next opening from a scan minute by minute. Two databases of
 * time zones are compared, so a zone whose changes differ between them is named, and scanned by those of Postgres.
 */
import { beforeAll, expect, test } from 'vitest';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase();

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const from = Date.UTC(2024, 0, 1);
const to = Date.UTC(2031, 0, 1);
const gridMs = 5 * day;

/** From `at` on, the clock is so many milliseconds ahead of UTC. */
interface Change {
  readonly at: number;
  readonly offset: number;
}

/** Of a zone according to ICU. */
function offsetsOf(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (at) => {
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
    const { year = 0, month = 0, day: date = 0, hour: h = 0, minute: m = 0, second: s = 0 } = parts;
    return Date.UTC(year, month - 1, date, h, m, s) - at;
  };
}

/** Every change of a clock in these years, found by halving. */
function changesOf(offset: (at: number) => number): Change[] {
  const changes: Change[] = [{ at: from, offset: offset(from) }];
  for (let at = from; at < to; at += gridMs) {
    let [early, late] = [at, at + gridMs];
    if (offset(early) === offset(late)) continue;
    while (late - early > 1000) {
      const middle = early + Math.floor((late - early) / 2000) * 1000;
      if (offset(middle) === offset(early)) early = middle;
      else late = middle;
    }
    changes.push({ at: late, offset: offset(late) });
  }
  return changes;
}

/** The same, from Postgres, for zones as it names them. */
async function changesInPostgres(names: readonly string[]): Promise<Map<string, Change[]>> {
  const { rows } = await database.pool.query<{ name: string; at: string; offset: string }>(
    `WITH RECURSIVE grid AS (
       SELECT n.name, t AS at, (t AT TIME ZONE n.name) - (t AT TIME ZONE 'UTC') AS ahead
       FROM unnest($3::text[]) AS n (name)
       CROSS JOIN generate_series($1::timestamptz, $2::timestamptz, interval '120 hours') AS t
     ), step AS (
       SELECT g.name, g.at AS early, lead(g.at) OVER w AS late, g.ahead, lead(g.ahead) OVER w AS next
       FROM grid g WINDOW w AS (PARTITION BY g.name ORDER BY g.at)
     ), halved AS (
       SELECT s.name, s.early, s.late, s.ahead FROM step s WHERE s.next <> s.ahead
       UNION ALL
       SELECT h.name, CASE WHEN m.same THEN m.middle ELSE h.early END, CASE WHEN m.same THEN h.late ELSE m.middle END,
         h.ahead
       FROM halved h
       CROSS JOIN LATERAL (SELECT h.early + floor(extract(epoch FROM h.late - h.early) / 2) * interval '1 second' AS middle) x
       CROSS JOIN LATERAL (SELECT x.middle,
         (x.middle AT TIME ZONE h.name) - (x.middle AT TIME ZONE 'UTC') = h.ahead AS same) m
       WHERE h.late - h.early > interval '1 second'
     )
     SELECT name, (extract(epoch FROM late) * 1000)::bigint::text AS at,
       (extract(epoch FROM (late AT TIME ZONE name) - (late AT TIME ZONE 'UTC')) * 1000)::bigint::text AS offset
     FROM halved WHERE late - early <= interval '1 second'
     UNION ALL
     SELECT g.name, (extract(epoch FROM g.at) * 1000)::bigint::text, (extract(epoch FROM g.ahead) * 1000)::bigint::text
     FROM grid g WHERE g.at = $1
     ORDER BY 1, 2`,
    [new Date(from), new Date(to), names],
  );
  const zones = new Map<string, Change[]>();
  for (const { name, at, offset } of rows)
    zones.set(name, [...(zones.get(name) ?? []), { at: Number(at), offset: Number(offset) }]);
  return zones;
}

const supported = (zone: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
};

/** Names in the folders of a server that are no names of IANA. */
const foreign = /^(posix|right)\/|^(Factory|localtime|posixrules)$/;

/** By the name of IANA: what quiet hours take it for. */
let known = new Map<string, string | null>();
let inPostgres = new Map<string, Change[]>();
let icu = new Map<string, Change[]>();
let same: string[] = [];

beforeAll(async () => {
  const { rows } = await database.pool.query<{ name: string; known: string | null }>(
    'SELECT name, herald.known_zone(name) AS known FROM pg_timezone_names ORDER BY name',
  );
  known = new Map(rows.filter(({ name }) => !foreign.test(name)).map(({ name, known: zone }) => [name, zone]));
  inPostgres = await changesInPostgres([...new Set([...known.values()].filter((zone) => zone !== null))]);
  icu = new Map([...known.keys()].filter(supported).map((name) => [name, changesOf(offsetsOf(name))]));
  same = [...icu].flatMap(([name, changes]) =>
    equal(changes, inPostgres.get(known.get(name) ?? '') ?? []) ? [name] : [],
  );
}, 600_000);

const equal = (one: readonly Change[], other: readonly Change[]) => JSON.stringify(one) === JSON.stringify(other);

test('every name of IANA is accepted, and nearly all are in both databases with the same changes; the others are named', () => {
  expect([...known].filter(([, zone]) => zone === null).map(([name]) => name)).toEqual([]);
  const missing = [...known.keys()].filter((name) => !icu.has(name));
  const different = [...icu.keys()].filter((name) => !same.includes(name));
  console.info(
    `${same.length} of ${known.size} zones agree; ICU has the time zones of ${process.versions.tz}.`,
    `Unknown to ICU: ${missing.join(', ') || 'none'}. Different: ${different.join(', ') || 'none'}.`,
  );
  expect(known.size).toBeGreaterThan(400);
  expect(same.length).toBeGreaterThan(0.9 * known.size);
});

/** A window of every day, in minutes of the day; it ends on the next day where `close` is not later. */
interface Daily {
  readonly open: number;
  readonly close: number;
}

const text = (minutes: number) => {
  const m = ((minutes % 1440) + 1440) % 1440;
  return `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`;
};

/** The windows that a change tells apart: in what it skips or repeats, around it, and the usual ones. */
function windowsAround({ at, offset }: Change, before: number): Daily[] {
  const shown = Math.floor(((((at + before) % day) + day) % day) / minute);
  const now = Math.floor(((((at + offset) % day) + day) % day) / minute);
  const low = Math.min(shown, now);
  return [
    { open: 8 * 60, close: 20 * 60 },
    { open: low + 10, close: low + 20 },
    { open: low - 5, close: low + 5 },
    { open: shown - 15, close: now + 15 === shown - 15 ? now + 16 : now + 15 },
    { open: now + 25, close: now },
  ];
}

/** The first full minute at which the clock shows an open time, by looking at each. */
function scan(changes: readonly Change[], { open, close }: Daily, at: number): number {
  const [o, c] = [((open % 1440) + 1440) % 1440, ((close % 1440) + 1440) % 1440];
  for (let t = at; ; t += minute) {
    let offset = changes[0]?.offset ?? 0;
    for (const change of changes) if (change.at <= t) offset = change.offset;
    const m = Math.floor(((((t + offset) % day) + day) % day) / minute);
    if (o < c ? m >= o && m < c : m >= o || m < c) return t;
    if (t > at + 3 * day) throw new Error('no opening within three days');
  }
}

interface Question extends Daily {
  readonly zone: string;
  readonly at: number;
}

/** The changes to scan by. */
const changesToScan = (zone: string): readonly Change[] =>
  (same.includes(zone) ? icu.get(zone) : inPostgres.get(known.get(zone) ?? '')) ?? [];

function questionsOf(zone: string): Question[] {
  const changes = changesToScan(zone);
  const nearby = changes.slice(1).flatMap((change, index) => {
    const starts = [-30 * hour, -3 * hour, -40 * minute, -minute, 0, minute, 12 * minute, 50 * minute, 2 * hour];
    return windowsAround(change, changes[index]?.offset ?? 0).flatMap((window) =>
      starts.map((start) => ({ zone, ...window, at: change.at + start })),
    );
  });
  const plain = [0, 100, 1000, 2000].map((days) => ({ zone, open: 8 * 60, close: 20 * 60, at: from + days * day }));
  return [...nearby, ...plain].filter(
    ({ open, close, at }) => text(open) !== text(close) && at >= from && at < to - 4 * day,
  );
}

test('every opening near every change is the one that a scan by another implementation finds', async () => {
  let asked = 0;
  const wrong: string[] = [];
  for (const zone of known.keys()) {
    const changes = changesToScan(zone);
    const questions = questionsOf(zone);
    const { rows } = await database.pool.query<{ next: string }>(
      `SELECT (extract(epoch FROM herald.next_opening(w.opens, w.closes, $1, q.at)) * 1000)::bigint::text AS next
       FROM unnest($2::timestamptz[], $3::text[], $4::text[]) WITH ORDINALITY AS q (at, "from", "to", position)
       CROSS JOIN LATERAL herald.check_windows(jsonb_build_array(jsonb_build_object('from', q."from", 'to', q."to"))) AS w
       ORDER BY q.position`,
      [
        known.get(zone),
        questions.map(({ at }) => new Date(at)),
        questions.map(({ open }) => text(open)),
        questions.map(({ close }) => text(close)),
      ],
    );
    questions.forEach((question, index) => {
      asked++;
      const expected = scan(changes, question, question.at);
      const actual = Number(rows[index]?.next);
      if (actual !== expected)
        wrong.push(
          `${zone} ${text(question.open)}-${text(question.close)} at ${new Date(question.at).toISOString()}: ` +
            `${new Date(actual).toISOString()}, not ${new Date(expected).toISOString()}`,
        );
    });
  }
  console.info(`${asked} openings in ${known.size} zones`);
  expect(asked).toBeGreaterThan(10_000);
  expect(wrong.slice(0, 20)).toEqual([]);
}, 600_000);
