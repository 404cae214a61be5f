-- Returns the first moment, not before the given one, at which the clock on the wall of a time zone shows a time
-- within the windows. Seconds of the week count from Monday 00:00 of that clock. Where the clock changes on the way to
-- the next window, the moment of the change is looked at, too: a time that is skipped is never shown, so that a window
-- from 02:30 opens with the change, and a time that is repeated is shown twice.
CREATE OR REPLACE FUNCTION herald.next_opening(opens integer[], closes integer[], zone text, at timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  week CONSTANT integer := 604800;
  current timestamptz := $4;
  early timestamptz;
  late timestamptz;
  middle timestamptz;
  shown timestamp;
  ahead interval;
  elapsed integer;
  slot integer;
BEGIN
  LOOP
    early := date_trunc('second', current);
    shown := early AT TIME ZONE zone;
    -- 1970-01-05 was a Monday.
    elapsed := mod(mod(extract(epoch FROM shown)::bigint - 345600, week) + week, week);
    slot := width_bucket(elapsed, opens);
    IF slot > 0 AND elapsed < closes[slot] THEN
      RETURN current;
    END IF;
    late := early + (coalesce(opens[slot + 1], opens[1] + week) - elapsed) * interval '1 second';
    ahead := shown - (early AT TIME ZONE 'UTC');
    IF (late AT TIME ZONE zone) - (late AT TIME ZONE 'UTC') = ahead THEN
      RETURN late;
    END IF;
    WHILE late - early > interval '1 second' LOOP
      middle := early + floor(extract(epoch FROM late - early) / 2) * interval '1 second';
      IF (middle AT TIME ZONE zone) - (middle AT TIME ZONE 'UTC') = ahead THEN
        early := middle;
      ELSE
        late := middle;
      END IF;
    END LOOP;
    current := late;
  END LOOP;
END
$$;

-- Returns whose hours apply to a recipient (scope), in which time zone, and the first moment at or after the given one
-- at which they are open. The most specific hours decide. The zone is the one of the recipient's hours, otherwise the
-- recipient's own, the tenant's, or that for all; one that is unknown is passed over, and UTC is the last resort. known
-- is the zone as Postgres names it.
CREATE OR REPLACE FUNCTION herald.opening(recipient_id text, tenant text, time_zone text, at timestamptz,
  OUT opens_at timestamptz, OUT zone text, OUT known text, OUT scope text, OUT windows jsonb)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  applied record;
BEGIN
  SELECT coalesce(r.scope, t.scope, a.scope) AS scope, coalesce(r.windows, t.windows, a.windows) AS windows,
      coalesce(r.opens, t.opens, a.opens) AS opens, coalesce(r.closes, t.closes, a.closes) AS closes,
      ARRAY[r.zone, $3, t.zone, a.zone] AS zones
    INTO applied
    FROM (VALUES (1)) AS one
    LEFT JOIN herald.hours r ON r.scope = 'recipient' AND r.subject = $1
    LEFT JOIN herald.hours t ON t.scope = 'tenant' AND t.subject = $2
    LEFT JOIN herald.hours a ON a.scope = 'all' AND a.subject = '';
  scope := applied.scope;
  windows := applied.windows;
  FOREACH zone IN ARRAY applied.zones || 'UTC'::text LOOP
    known := herald.known_zone(zone);
    EXIT WHEN known IS NOT NULL;
  END LOOP;
  opens_at := CASE WHEN scope IS NULL OR NOT isfinite($4) THEN $4
    ELSE herald.next_opening(applied.opens, applied.closes, known, $4) END;
END
$$;

-- Returns the first moment, at or after the given one, at which a recipient may be reached. time_zone is what the
-- application knows of the recipient; null: nothing.
CREATE OR REPLACE FUNCTION herald.next_open(recipient_id text, tenant text, time_zone text, at timestamptz DEFAULT now())
RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT o.opens_at FROM herald.opening($1, $2, $3, $4) AS o
$$;

-- Returns whose hours apply to a recipient, their windows and time zone, and when they are open next; scope and windows
-- are null, and opens_at is the given moment, where there are none.
CREATE OR REPLACE FUNCTION herald.hours_of(recipient_id text, tenant text DEFAULT NULL, time_zone text DEFAULT NULL,
  at timestamptz DEFAULT now())
RETURNS TABLE (scope text, windows jsonb, zone text, opens_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT o.scope, o.windows, o.zone, o.opens_at FROM herald.opening($1, $2, $3, $4) AS o
$$;

-- Returns until when quiet hours stop a message that may otherwise be sent at the given moment; null if they do not.
-- quiet: "pass" for a message that they never stop, "send" for one that is sent in spite of them if it would expire
-- before they end, and "drop" for one that expires then.
CREATE OR REPLACE FUNCTION herald.quiet_until(method text, quiet text, recipient_id text, tenant text, time_zone text,
  at timestamptz, expires_at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  opens_at timestamptz;
BEGIN
  IF quiet = 'pass' OR NOT (SELECT m.quiet_hours FROM herald.method m WHERE m.name = $1) THEN
    RETURN NULL;
  END IF;
  opens_at := (herald.opening($3, $4, $5, $6)).opens_at;
  IF opens_at <= $6 OR (quiet = 'send' AND expires_at <= opens_at) THEN
    RETURN NULL;
  END IF;
  RETURN least(opens_at, expires_at);
END
$$;

-- The same for a message that is stored.
CREATE OR REPLACE FUNCTION herald.message_quiet_until(message_id uuid, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT herald.quiet_until(m.method, CASE WHEN t.mandatory THEN 'pass' ELSE coalesce(m.quiet, t.quiet) END,
    m.recipient_id, m.tenant, m.recipient ->> 'timeZone', $2, m.expires_at)
  FROM herald.message m JOIN herald.template t ON t.name = m.template WHERE m.id = $1
$$;

-- Returns what keeps a pending message from being sent at its time, or why it waits: until when, that moment on the
-- recipient's clock, the time zone, and whose hours they are. Null if quiet hours have nothing to do with it.
CREATE OR REPLACE FUNCTION herald.message_quiet_hours(message_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  message record;
  until timestamptz;
  opening record;
BEGIN
  IF NOT EXISTS (SELECT FROM herald.hours) THEN
    RETURN NULL;
  END IF;
  SELECT m.recipient_id, m.tenant, m.recipient ->> 'timeZone' AS time_zone, m.reason, m.next_attempt_at,
      herald.message_quiet_until(m.id, greatest(m.next_attempt_at, now())) AS until
    INTO message FROM herald.message m WHERE m.id = $1 AND m.status = 'pending';
  until := coalesce(message.until,
    CASE WHEN message.reason = 'quiet_hours' AND message.next_attempt_at > now() THEN message.next_attempt_at END);
  IF until IS NULL THEN
    RETURN NULL;
  END IF;
  opening := herald.opening(message.recipient_id, message.tenant, message.time_zone, until);
  RETURN jsonb_build_object('until', until, 'opensAt', opening.opens_at, 'zone', opening.zone, 'scope', opening.scope,
    'localTime', to_char(opening.opens_at AT TIME ZONE opening.known, CASE
      WHEN opening.opens_at < now() + interval '1 day' THEN 'HH24:MI'
      WHEN opening.opens_at < now() + interval '6 days' THEN 'Dy HH24:MI'
      ELSE 'YYYY-MM-DD HH24:MI' END));
END
$$;

-- Returns the windows as seconds of the week, sorted and without overlaps. A window that ends earlier in the day than
-- it begins, ends on the next day. Refuses windows that are wrong.
CREATE OR REPLACE FUNCTION herald.check_windows(windows jsonb, OUT opens integer[], OUT closes integer[])
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  week CONSTANT integer := 604800;
  names CONSTANT text[] := '{mon,tue,wed,thu,fri,sat,sun}';
  example CONSTANT text := 'For example [{"days": "mon-fri", "from": "08:00", "to": "20:00"}].';
  given jsonb;
  place text;
  days text;
  part text;
  first_day integer;
  last_day integer;
  from_second integer;
  to_second integer;
BEGIN
  IF jsonb_typeof(windows) IS DISTINCT FROM 'array' OR jsonb_array_length(windows) NOT BETWEEN 1 AND 50 THEN
    PERFORM herald.reject('HE006', 'windows', 'windows must be an array of 1 to 50 open windows', example);
  END IF;
  FOR i IN 0 .. jsonb_array_length(windows) - 1 LOOP
    given := windows -> i;
    place := format('windows[%s]', i);
    IF jsonb_typeof(given) <> 'object' OR given - '{days,from,to}'::text[] <> '{}' THEN
      PERFORM herald.reject('HE006', place, place || ' must be an object of days, from and to', example);
    END IF;
    IF (given ->> 'from') !~ '^([01][0-9]|2[0-3]):[0-5][0-9]$' IS NOT FALSE THEN
      PERFORM herald.reject('HE006', place || '.from', place || '.from must be a time from 00:00 to 23:59', example);
    ELSIF (given ->> 'to') !~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$' IS NOT FALSE THEN
      PERFORM herald.reject('HE006', place || '.to', place || '.to must be a time from 00:00 to 24:00', example);
    ELSIF given -> 'from' = given -> 'to' THEN
      PERFORM herald.reject('HE006', place || '.to', place || '.to is the same time as from',
        'For a whole day write from 00:00 to 24:00.');
    END IF;
    from_second := extract(epoch FROM (given ->> 'from')::interval);
    to_second := extract(epoch FROM (given ->> 'to')::interval);
    IF to_second < from_second THEN
      to_second := to_second + 86400;
    END IF;
    days := CASE coalesce(jsonb_typeof(given -> 'days'), 'null') WHEN 'null' THEN 'mon-sun'
      WHEN 'array' THEN (SELECT string_agg(d, ',') FROM jsonb_array_elements_text(given -> 'days') AS d)
      ELSE given ->> 'days' END;
    FOREACH part IN ARRAY regexp_split_to_array(lower(coalesce(days, '') COLLATE "C"), '\s*,\s*') LOOP
      first_day := array_position(names, split_part(part, '-', 1));
      last_day := array_position(names, coalesce(nullif(split_part(part, '-', 2), ''), split_part(part, '-', 1)));
      IF first_day IS NULL OR last_day IS NULL OR part !~ '^[a-z]{3}(-[a-z]{3})?$' THEN
        PERFORM herald.reject('HE006', place || '.days',
          place || '.days must be days such as "mon", "mon-fri" or "sat,sun"', example);
      END IF;
      FOR day IN first_day .. last_day + CASE WHEN last_day < first_day THEN 7 ELSE 0 END LOOP
        opens := opens || (mod(day - 1, 7) * 86400 + from_second);
        closes := closes || (mod(day - 1, 7) * 86400 + to_second);
      END LOOP;
    END LOOP;
  END LOOP;
  -- What reaches beyond Sunday continues on Monday; windows that touch become one.
  SELECT array_agg(m.opens ORDER BY m.opens), array_agg(m.closes ORDER BY m.opens) INTO opens, closes
  FROM (
    SELECT min(g.opens) AS opens, max(g.closes) AS closes
    FROM (
      SELECT b.opens, b.closes, sum(b.begins) OVER (ORDER BY b.opens, b.closes) AS number
      FROM (
        SELECT p.opens, p.closes, (p.opens > coalesce(max(p.closes) OVER (ORDER BY p.opens, p.closes
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1))::integer AS begins
        FROM (
          SELECT w.opens, least(w.closes, week) AS closes FROM unnest(opens, closes) AS w (opens, closes)
          UNION ALL
          SELECT 0, w.closes - week FROM unnest(opens, closes) AS w (opens, closes) WHERE w.closes > week
        ) p
      ) b
    ) g
    GROUP BY g.number
  ) m;
END
$$;

-- Sets the hours in which messages may reach a recipient, the recipients of a tenant, or (scope "all", subject '') all
-- recipients; null windows remove them. Messages that wait for quiet hours to end follow the change.
CREATE OR REPLACE FUNCTION herald.set_hours(scope text, subject text, windows jsonb, zone text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
  seconds record;
BEGIN
  IF $1 IS NULL OR $1 NOT IN ('recipient', 'tenant', 'all') OR ($1 = 'all') <> (coalesce($2, '') = '') THEN
    PERFORM herald.reject('HE006', 'scope', 'scope must be recipient or tenant, with an id as subject, or all with an empty one',
      'For example: ''tenant'', ''acme''.');
  ELSIF $1 <> 'all' AND NOT herald.is_line(to_jsonb($2), 200) THEN
    PERFORM herald.reject('HE003', 'subject', 'subject must be one line of 1 to 200 characters',
      'Pass the id of the recipient or the tenant.');
  ELSIF $4 IS NOT NULL AND herald.known_zone($4) IS NULL THEN
    PERFORM herald.reject('HE006', 'zone', format('unknown time zone "%s"', regexp_replace(left($4, 64), '[^A-Za-z0-9_+:/-]', '?', 'g')),
      'Write a name of IANA such as Europe/Berlin, or leave it out.');
  END IF;
  IF coalesce($3, 'null') = 'null' THEN
    DELETE FROM herald.hours h WHERE h.scope = $1 AND h.subject = coalesce($2, '');
  ELSE
    seconds := herald.check_windows($3);
    INSERT INTO herald.hours AS h (scope, subject, zone, windows, opens, closes)
    VALUES ($1, coalesce($2, ''), $4, $3, seconds.opens, seconds.closes)
    ON CONFLICT ON CONSTRAINT hours_scope_subject_pk DO UPDATE SET zone = EXCLUDED.zone, windows = EXCLUDED.windows,
      opens = EXCLUDED.opens, closes = EXCLUDED.closes, updated_at = now();
  END IF;
  PERFORM herald.move_waiting($1, $2);
END
$$;

-- Gives messages that wait for quiet hours to end the time at which they end now.
CREATE OR REPLACE FUNCTION herald.move_waiting(scope text, subject text) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  ids uuid[];
BEGIN
  IF $1 = 'recipient' THEN
    ids := ARRAY(
      SELECT m.id FROM herald.message m
      WHERE m.recipient_id = $2 AND m.settled_at IS NULL AND m.status = 'pending' AND m.reason = 'quiet_hours'
        AND m.next_attempt_at > now()
      ORDER BY m.id FOR UPDATE);
  ELSE
    ids := ARRAY(
      SELECT m.id FROM herald.message m
      WHERE m.settled_at IS NULL AND m.status = 'pending' AND m.reason = 'quiet_hours' AND m.next_attempt_at > now()
        AND ($1 = 'all' OR m.tenant = $2)
      ORDER BY m.id FOR UPDATE);
  END IF;
  IF herald.ask_quiet_hours(ids) THEN
    PERFORM herald.ensure_jobs(ids);
  END IF;
END
$$;

-- Asks again when pending messages may be sent: never before their own time. Their jobs follow. Returns whether any of
-- them moved.
CREATE OR REPLACE FUNCTION herald.ask_quiet_hours(message_ids uuid[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  WITH asked AS MATERIALIZED (
    SELECT m.id, greatest(m.send_at, now()) AS earliest,
      herald.message_quiet_until(m.id, greatest(m.send_at, now())) AS until
    FROM herald.message m WHERE m.id = ANY ($1)
  )
  UPDATE herald.message m
  SET next_attempt_at = coalesce(a.until, a.earliest), reason = CASE WHEN a.until IS NOT NULL THEN 'quiet_hours' END,
    quiet_until = CASE WHEN m.attempts = 0 THEN a.until ELSE m.quiet_until END
  FROM asked a WHERE m.id = a.id AND m.next_attempt_at <> coalesce(a.until, a.earliest);
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE herald_queue.job j SET start_after = m.next_attempt_at
  FROM herald.message m
  WHERE m.id = ANY ($1) AND j.name = m.method AND j.id = m.id AND j.state < 'active'
    AND j.start_after <> m.next_attempt_at;
  RETURN true;
END
$$;

-- The same as set_hours for clients: it returns what set_hours refuses, because an error would abort the caller's
-- transaction.
CREATE OR REPLACE FUNCTION herald.try_hours(scope text, subject text, windows jsonb, zone text)
RETURNS TABLE (place text, message text)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  hint text;
BEGIN
  PERFORM herald.set_hours($1, $2, $3, $4);
EXCEPTION WHEN SQLSTATE 'HE003' OR SQLSTATE 'HE006' THEN
  GET STACKED DIAGNOSTICS place = COLUMN_NAME, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  message := format('%s. %s', message, hint);
  RETURN NEXT;
END
$$;
