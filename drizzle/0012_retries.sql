-- Writes the jobs that unsettled messages lack, brings those forward that wait longer than their message, and wakes the workers. A
-- message that is pending again after an attempt may still have the job of that attempt: its worker has settled it and is about to remove
-- the job. The job is taken out of that lease, which the removal names, so that it stays for the next one. A lease that is younger than
-- the attempt has not begun yet, and is left alone.
CREATE OR REPLACE FUNCTION herald.wake(message_ids uuid[]) RETURNS bigint
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
--> statement-breakpoint
-- Makes messages of these states pending again, but for erased ones, which have nobody to go to. Runs with the caller's rights:
-- herald.retry and herald.replay lend theirs. A lease that began before the message was settled is over, as herald.wake must know also
-- where no attempt was opened in it.
CREATE OR REPLACE FUNCTION herald.reopen(message_ids uuid[], states text[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  UPDATE herald.message m
  SET status = 'pending', reason = NULL, detail = NULL, charged = 0, next_attempt_at = now(), settled_at = NULL, send_at = NULL,
    attempt_started_at = greatest(m.attempt_started_at, m.settled_at),
    expires_at = CASE WHEN m.expires_at <= now() THEN NULL ELSE m.expires_at END
  FROM herald.template_version v
  WHERE m.id = ANY (message_ids) AND m.status = ANY (states) AND m.recipient_id <> 'erased'
    AND v.template = m.template AND v.version = m.template_version
    AND (cardinality(v.secrets) = 0 OR m.secrets IS NOT NULL);
  PERFORM herald.wake(message_ids);
  RETURN QUERY
  SELECT m.id, m.status = 'pending' AND m.next_attempt_at = now(), m.status FROM herald.message m WHERE m.id = ANY (message_ids);
END
$$;
--> statement-breakpoint
-- Takes a person out of one batch of messages, by recipient id or by address: names, addresses, labels, data, secrets, files and what
-- receivers replied. Template, method, status, times and attempts stay, so that counts do. What waits is cancelled first; what is being
-- dispatched is left and counted as in_flight. Their preferences and the suppressions of their addresses go, too, and by recipient id
-- their endpoints, whose URLs and contacts are addresses. Call it again until it answers erased = 0.
CREATE OR REPLACE FUNCTION herald.erase(recipient_id text DEFAULT NULL, address text DEFAULT NULL, most integer DEFAULT 1000)
RETURNS TABLE (erased bigint, cancelled bigint, in_flight bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT text := $1;
  mailbox CONSTANT text := lower($2);
  ids uuid[];
  mailboxes text[];
  stopped bigint;
BEGIN
  IF num_nonnulls(person, mailbox) <> 1 OR coalesce(person, mailbox) IN ('', 'erased') THEN
    PERFORM herald.reject('HE006', '', 'erase takes exactly one of recipient_id and address', 'Name the argument, for example recipient_id => ''user-7''.');
  END IF;
  ids := ARRAY(
    SELECT m.id FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status <> 'sending' LIMIT $3);
  -- In the order in which enqueue and settle lock.
  PERFORM FROM herald.message m WHERE m.id = ANY (ids) ORDER BY m.id FOR UPDATE;
  SELECT count(*) FILTER (WHERE c.answer = 'cancelled') INTO stopped FROM herald.cancel(ids) c;
  WITH before AS (SELECT m.id, m.method, m.address FROM herald.message m WHERE m.id = ANY (ids) AND m.status <> 'sending'),
  after AS (
    UPDATE herald.message m
    SET recipient_id = 'erased', recipient = '{"id": "erased"}', address = NULL, labels = '{}', secrets = NULL, data = NULL, actions = NULL,
      targets = array_remove(m.targets, m.recipient_id), group_key = NULL, unsubscribe_url = NULL, dedupe_key = NULL, dedupe_scope = NULL,
      trace_context = NULL, detail = NULL
    FROM before b WHERE m.id = b.id
    RETURNING m.id, m.notification_id, m.attachments
  ), replies AS (
    UPDATE herald.attempt a SET detail = NULL, reply_text = NULL, receiver_id = NULL FROM after f WHERE a.message_id = f.id
  ), files AS (
    -- Whoever else got the notification keeps its files.
    DELETE FROM herald.attachment a USING (SELECT DISTINCT f.notification_id FROM after f WHERE f.attachments > 0) n
    WHERE a.notification_id = n.notification_id
      AND NOT EXISTS (SELECT FROM herald.message m WHERE m.notification_id = n.notification_id AND m.recipient_id <> 'erased' AND m.id <> ALL (ids))
  )
  SELECT count(*), array_agg(DISTINCT b.address) INTO erased, mailboxes FROM before b;
  DELETE FROM herald.suppression s WHERE s.address = mailbox OR s.address = ANY (mailboxes);
  DELETE FROM herald.preference p WHERE p.recipient_id = person;
  -- With the last batch: what waits for an endpoint is cancelled before it goes.
  DELETE FROM herald.endpoint e WHERE e.recipient_id = person AND cardinality(ids) < $3;
  RETURN QUERY SELECT erased, stopped, count(*) FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status = 'sending';
END
$$;
