-- Writes one job per message that lacks one. Columns and values are those that pg-boss's own insert() writes; a
-- contract test compares the rows. The caller passes the values: a plan that reads them from herald.message, made while
-- that table was small, would scan all of it. ON CONFLICT names no index, because Postgres would map it to the
-- partition in each call.
CREATE OR REPLACE FUNCTION herald.insert_jobs(message_ids uuid[], methods text[], priorities smallint[], start_after timestamptz[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  inserted bigint;
BEGIN
  INSERT INTO herald_queue.job (id, name, priority, start_after, created_on, expire_seconds, deletion_seconds, keep_until, retry_limit,
    retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds, blocked, blocking, pending_dependencies)
  SELECT m.id, m.method, m.priority, m.start_after, now(), q.expire_seconds, q.deletion_seconds,
    m.start_after + q.retention_seconds * interval '1 second', q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.policy,
    q.dead_letter, q.heartbeat_seconds, false, false, 0
  FROM unnest($1, $2, $3, $4) AS m (id, method, priority, start_after)
  LEFT JOIN herald_queue.queue q ON q.name = m.method
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS inserted = ROW_COUNT;
  RETURN inserted;
END
$$;

-- Gives unsettled messages the jobs that they lack, brings forward jobs that wait longer than their message, and wakes
-- the workers. A message that is pending again after an attempt may still have the job of that attempt: its worker has
-- settled the message and is about to remove the job. The job is taken out of that lease, which the removal names, so
-- that it stays for the next lease. A lease that is younger than the attempt has not begun yet and stays.
CREATE OR REPLACE FUNCTION herald.ensure_jobs(message_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  inserted bigint;
  brought_forward bigint;
BEGIN
  UPDATE herald_queue.job j SET state = 'retry', start_after = m.next_attempt_at, heartbeat_on = NULL
  FROM herald.message m
  WHERE m.id = ANY (message_ids) AND m.status = 'pending' AND j.name = m.method AND j.id = m.id
    AND j.state = 'active' AND j.started_on <= m.attempt_started_at;
  SELECT herald.insert_jobs(array_agg(m.id), array_agg(m.method), array_agg(m.priority), array_agg(m.next_attempt_at)) INTO inserted
  FROM herald.message m WHERE m.id = ANY (message_ids) AND m.status IN ('pending', 'sending');
  UPDATE herald_queue.job j SET start_after = m.next_attempt_at
  FROM herald.message m
  WHERE m.id = ANY (message_ids) AND m.status IN ('pending', 'sending') AND j.name = m.method AND j.id = m.id
    AND j.state < 'active' AND j.start_after > m.next_attempt_at;
  GET DIAGNOSTICS brought_forward = ROW_COUNT;
  PERFORM pg_notify('herald', m.method) FROM herald.message m WHERE m.id = ANY (message_ids) GROUP BY m.method;
  RETURN inserted + brought_forward;
END
$$;

-- Makes those messages due that wait because an attempt was not counted: it met a fault of the method or a sender. For
-- the operator who has fixed the cause. '*' means every method. Returns how many there were.
CREATE OR REPLACE FUNCTION herald.bring_forward(method text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ids uuid[];
BEGIN
  ids := ARRAY(
    SELECT m.id FROM herald.message m
    WHERE m.uncounted_since IS NOT NULL AND m.settled_at IS NULL AND m.status = 'pending'
      AND m.next_attempt_at > now() AND ($1 = '*' OR m.method = $1)
    ORDER BY m.id FOR UPDATE);
  UPDATE herald.message m SET next_attempt_at = now() WHERE m.id = ANY (ids);
  PERFORM herald.ensure_jobs(ids);
  RETURN cardinality(ids);
END
$$;
