-- The sender was at fault: makes the messages that it refused, whose rows are marked by put_back_at, pending again. The
-- refused attempt does not count, the message has met a fault, and the refusal is not held against its address. A
-- message whose secret labels are wiped cannot be rendered again and stays failed. Safe to repeat: results that are
-- recorded late are put back by the next call.
-- drops: herald.put_back_refused(text, text, text)
CREATE OR REPLACE FUNCTION herald.put_back_refused(refusing_method text, refusing_sender text, wait_seconds double precision) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ids uuid[];
BEGIN
  WITH back AS (
    UPDATE herald.message m
    SET status = 'pending', counted = greatest(m.counted - a.counted::int, 0), settled_at = NULL,
      detail = CASE WHEN r.sender LIKE 'endpoint%' THEN 'put back: the endpoint was at fault' ELSE 'put back: the sender was at fault' END,
      uncounted = least(m.uncounted, 2147483646) + 1, uncounted_since = coalesce(m.uncounted_since, now()), fault_at = clock_timestamp(),
      next_attempt_at = now() + wait_seconds * interval '1 second', secrets = coalesce(m.secrets, r.secrets)
    FROM herald.refusal r
    JOIN herald.attempt a ON a.message_id = r.message_id AND a.number = r.attempt, herald.template_version v
    WHERE r.method = refusing_method AND r.sender = refusing_sender AND r.kind = 'refused' AND r.put_back_at IS NOT NULL
      AND m.id = r.message_id AND m.attempts = r.attempt AND (m.status = 'failed' OR m.status = 'pending' AND a.counted)
      AND v.template = m.template AND v.version = m.template_version
      AND (cardinality(v.secrets) = 0 OR coalesce(m.secrets, r.secrets) IS NOT NULL)
    RETURNING m.id, m.attempts, m.address, r.at
  ), uncounted AS (
    UPDATE herald.attempt a SET counted = false FROM back b WHERE a.message_id = b.id AND a.number = b.attempts
  ), forgiven AS (
    UPDATE herald.suppression s SET hits = s.hits - 1, suppressed_at = CASE WHEN s.suppressed_at < b.at OR s.cause <> 'dead' THEN s.suppressed_at END
    FROM back b WHERE s.method = refusing_method AND s.address = b.address AND s.hits > 0 AND s.last_at >= b.at
  )
  SELECT array_agg(id) INTO ids FROM back;
  -- Pending messages have their secret labels.
  UPDATE herald.refusal r SET secrets = NULL FROM herald.message m
  WHERE r.method = refusing_method AND r.sender = refusing_sender AND r.kind = 'refused' AND r.put_back_at IS NOT NULL
    AND r.secrets IS NOT NULL AND m.id = r.message_id AND m.status NOT IN ('failed', 'sending');
  -- Also those that were put back before: the worker that had settled such a message may have removed its new job
  -- together with the old one.
  PERFORM herald.ensure_jobs(ARRAY(SELECT r.message_id FROM herald.refusal r JOIN herald.message m ON m.id = r.message_id
    WHERE r.method = refusing_method AND r.sender = refusing_sender AND r.kind = 'refused' AND r.put_back_at IS NOT NULL AND m.status = 'pending'));
  RETURN coalesce(cardinality(ids), 0);
END
$$;

-- Makes the messages due that wait for a sender; without a sender, those of every sender of the method.
CREATE OR REPLACE FUNCTION herald.release_refused(refusing_method text, refusing_sender text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ids uuid[];
BEGIN
  WITH released AS (
    UPDATE herald.refusal r SET waiting = false
    WHERE r.waiting AND r.kind = 'refused' AND (r.method = refusing_method OR refusing_method = '*') AND r.sender = coalesce(refusing_sender, r.sender)
    RETURNING r.message_id
  ), due AS (
    UPDATE herald.message m SET next_attempt_at = now() FROM released r
    WHERE m.id = r.message_id AND m.status = 'pending' AND m.next_attempt_at > now()
    RETURNING m.id
  )
  SELECT array_agg(id) INTO ids FROM due;
  IF ids IS NOT NULL THEN
    PERFORM herald.ensure_jobs(ids);
  END IF;
  RETURN coalesce(cardinality(ids), 0);
END
$$;

-- A sender accepted a message so many seconds ago. The messages that it refused before were at fault themselves, and
-- those that waited for it are due.
CREATE OR REPLACE FUNCTION herald.record_accepted(accepting_method text, accepting_sender text, seconds_ago double precision) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  accepted_at CONSTANT timestamptz := clock_timestamp() - seconds_ago * interval '1 second';
BEGIN
  INSERT INTO herald.sender AS s (method, name, succeeded_at) VALUES (accepting_method, accepting_sender, accepted_at)
  ON CONFLICT (method, name) DO UPDATE SET succeeded_at = greatest(s.succeeded_at, excluded.succeeded_at);
  UPDATE herald.refusal r SET secrets = NULL
  WHERE r.method = accepting_method AND r.sender = accepting_sender AND r.kind = 'refused' AND r.at <= accepted_at
    AND r.put_back_at IS NULL AND r.secrets IS NOT NULL;
  PERFORM herald.release_refused(accepting_method, accepting_sender);
END
$$;

-- Keeps refusals for four days, longer than a message is retried. The same holds for the records of endpoints, of which
-- there may be many.
CREATE OR REPLACE FUNCTION herald.delete_old_refusals(refusing_method text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM herald.refusal r WHERE r.method = refusing_method AND r.at < now() - interval '4 days';
  DELETE FROM herald.sender s
  WHERE s.method = refusing_method AND s.name LIKE 'endpoint/%' AND s.succeeded_at < now() - interval '4 days'
    AND NOT EXISTS (SELECT FROM herald.refusal r WHERE r.method = s.method AND r.sender = s.name)
$$;
