-- Writes the jobs that unsettled messages lack, brings those forward that wait longer than their message, and wakes the workers. A
-- message that is pending again after an attempt may still have the job of that attempt: its worker has settled it and is about to remove
-- the job. The job is taken out of that lease, which the removal names, so that it stays for the next one. A lease that is younger than
-- the attempt has not begun yet, and is left alone.
CREATE OR REPLACE FUNCTION herald.ensure_jobs(message_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  woken bigint;
BEGIN
  UPDATE herald_queue.job j SET state = 'retry', start_after = m.next_attempt_at, heartbeat_on = NULL
  FROM herald.message m
  WHERE m.id = ANY (message_ids) AND m.status = 'pending' AND j.name = m.method AND j.id = m.id
    AND j.state = 'active' AND j.started_on <= m.attempt_started_at;
  INSERT INTO herald_queue.job (id, name, priority, start_after, created_on, expire_seconds, deletion_seconds, keep_until, retry_limit,
    retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds, blocked, blocking, pending_dependencies)
  SELECT m.id, m.method, m.priority, m.next_attempt_at, now(), q.expire_seconds, q.deletion_seconds,
    m.next_attempt_at + q.retention_seconds * interval '1 second', q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.policy,
    q.dead_letter, q.heartbeat_seconds, false, false, 0
  FROM herald.message m
  LEFT JOIN herald_queue.queue q ON q.name = m.method
  WHERE m.id = ANY (message_ids) AND m.status IN ('pending', 'sending')
  ON CONFLICT (name, id) DO UPDATE SET start_after = EXCLUDED.start_after
  WHERE job.state < 'active' AND job.start_after > EXCLUDED.start_after;
  GET DIAGNOSTICS woken = ROW_COUNT;
  PERFORM pg_notify('herald', m.method) FROM herald.message m WHERE m.id = ANY (message_ids) GROUP BY m.method;
  RETURN woken;
END
$$;
