-- Keeps the distance between the steps of a notification whose messages wait for quiet hours: every later step moves by
-- as long as the one before it waits, so that two of them are not sent at one moment in the morning. For the
-- transaction that wrote them. moves_expiry: whether a step expires so long after it may be sent, and not at a given
-- time; otherwise a step does not move beyond its expiry.
CREATE OR REPLACE FUNCTION herald.spread_steps(notification_id uuid, steps integer, moves_expiry boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  FOR n IN 0 .. steps - 1 LOOP
    UPDATE herald.message m
    SET send_at = m.send_at + w.longest,
      expires_at = CASE WHEN $3 THEN m.expires_at + w.longest ELSE m.expires_at END
    FROM (
      SELECT l.recipient_id, max(l.next_attempt_at - greatest(l.send_at, l.created_at)) AS longest
      FROM herald.message l
      WHERE l.notification_id = $1 AND coalesce(l.step, 0) = n AND l.status = 'pending' AND l.reason = 'quiet_hours'
      GROUP BY l.recipient_id
    ) w
    WHERE m.notification_id = $1 AND m.recipient_id = w.recipient_id AND m.step > n AND m.status = 'pending'
      AND ($3 OR m.expires_at IS NULL OR m.send_at + w.longest < m.expires_at);
    IF FOUND THEN
      PERFORM herald.ask_quiet_hours(ARRAY(
        SELECT m.id FROM herald.message m WHERE m.notification_id = $1 AND m.step > n AND m.status = 'pending'));
    END IF;
  END LOOP;
END
$$;

-- The same for messages that were due at these times and wait now, because the hours changed or an attempt is repeated.
-- Of several messages of one notification and recipient, the first step counts.
CREATE OR REPLACE FUNCTION herald.push_steps(message_ids uuid[], due_at timestamptz[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  waiting record;
  ids uuid[];
BEGIN
  FOR waiting IN
    SELECT DISTINCT ON (m.recipient_id, m.notification_id) m.recipient_id, m.notification_id,
      coalesce(m.step, 0) AS step, m.next_attempt_at - d.at AS longest
    FROM unnest($1, $2) AS d (id, at) JOIN herald.message m ON m.id = d.id
    WHERE m.status = 'pending' AND m.reason = 'quiet_hours' AND m.next_attempt_at > d.at
    ORDER BY m.recipient_id, m.notification_id, coalesce(m.step, 0), m.next_attempt_at - d.at DESC
  LOOP
    ids := ARRAY(
      SELECT m.id FROM herald.message m
      WHERE m.recipient_id = waiting.recipient_id AND m.notification_id = waiting.notification_id
        AND m.step > waiting.step AND m.status = 'pending' AND m.attempts = 0
        AND (m.expires_at IS NULL OR m.send_at + waiting.longest < m.expires_at)
      ORDER BY m.id FOR UPDATE);
    UPDATE herald.message m SET send_at = m.send_at + waiting.longest WHERE m.id = ANY (ids);
    PERFORM herald.ask_quiet_hours(ids);
  END LOOP;
END
$$;
