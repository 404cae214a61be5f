-- Deletes one batch of what is settled and older than its template's group is kept: the setting "retention" holds days by group, "*" for
-- all others, null for ever. One caller at a time; the others and those who set nothing get 0 at once. Rows that somebody has locked
-- are left for the next time.
CREATE FUNCTION herald.apply_retention(most integer DEFAULT 2000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  policy CONSTANT jsonb := (SELECT s.value FROM herald.setting s WHERE s.key = 'retention');
  ids uuid[];
  files uuid[];
BEGIN
  IF policy IS NULL OR policy = '{}' OR NOT pg_try_advisory_xact_lock(4720190818) THEN
    RETURN 0;
  END IF;
  ids := ARRAY(
    SELECT o.id
    FROM herald.template t
    CROSS JOIN LATERAL (
      SELECT now() - (CASE WHEN policy ? t."group" THEN policy ->> t."group" ELSE policy ->> '*' END)::double precision * interval '1 day' AS before
    ) p
    CROSS JOIN LATERAL (
      SELECT m.id FROM herald.message m
      WHERE m.template = t.name AND m.created_at < p.before AND m.settled_at < p.before
      ORDER BY m.created_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) o
    LIMIT $1);
  DELETE FROM herald.attempt a WHERE a.message_id = ANY (ids);
  WITH gone AS (DELETE FROM herald.message m WHERE m.id = ANY (ids) RETURNING m.notification_id, m.attachments)
  SELECT array_agg(DISTINCT g.notification_id) INTO files FROM gone g WHERE g.attachments > 0;
  DELETE FROM herald.attachment a
  WHERE a.notification_id = ANY (files) AND NOT EXISTS (SELECT FROM herald.message m WHERE m.notification_id = a.notification_id);
  RETURN cardinality(ids);
END
$$;
--> statement-breakpoint
-- Takes a person out of one batch of messages, by recipient id or by address: names, addresses, labels, data, secrets, files and what
-- receivers replied. Template, method, status, times and attempts stay, so that counts do. What waits is cancelled first; what is being
-- dispatched is left and counted as in_flight. Their preferences and the suppressions of their addresses go, too. Call it again until it
-- answers erased = 0.
CREATE FUNCTION herald.erase(recipient_id text DEFAULT NULL, address text DEFAULT NULL, most integer DEFAULT 1000)
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
  RETURN QUERY SELECT erased, stopped, count(*) FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status = 'sending';
END
$$;
--> statement-breakpoint
-- An erased message has nobody to go to any more.
CREATE OR REPLACE FUNCTION herald.reopen(message_ids uuid[], states text[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  UPDATE herald.message m
  SET status = 'pending', reason = NULL, detail = NULL, charged = 0, next_attempt_at = now(), settled_at = NULL, send_at = NULL,
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
