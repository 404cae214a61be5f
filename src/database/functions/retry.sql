-- Makes messages of these states pending again, except erased ones, which have no recipient. Runs with the caller's
-- rights: herald.retry and herald.replay lend theirs. A lease that began before the message was settled is over;
-- herald.ensure_jobs must know that, too, where no attempt was opened in the lease.
CREATE OR REPLACE FUNCTION herald.reopen(message_ids uuid[], states text[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  UPDATE herald.message m
  SET status = 'pending', reason = NULL, detail = NULL, counted = 0, unknowns = 0, uncounted = 0, uncounted_since = NULL, fault_at = NULL,
    crashes = 0, next_attempt_at = now(), settled_at = NULL, send_at = NULL, quiet_until = NULL,
    attempt_started_at = greatest(m.attempt_started_at, m.settled_at),
    expires_at = CASE WHEN m.expires_at <= now() THEN NULL ELSE m.expires_at END
  FROM herald.template_version v
  WHERE m.id = ANY (message_ids) AND m.status = ANY (states) AND m.recipient_id <> 'erased'
    AND v.template = m.template AND v.version = m.template_version
    AND (cardinality(v.secrets) = 0 OR m.secrets IS NOT NULL);
  PERFORM herald.ensure_jobs(message_ids);
  RETURN QUERY
  SELECT m.id, m.status = 'pending' AND m.next_attempt_at = now(), m.status FROM herald.message m WHERE m.id = ANY (message_ids);
END
$$;

-- Delivers again, or for the first time, what failed, expired, was inhibited or is held. Earlier attempts stay on
-- record but no longer count against the limit. A message whose secret labels were wiped cannot be rendered again and
-- stays.
CREATE OR REPLACE FUNCTION herald.retry(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM herald.reopen($1, '{failed,held,expired,inhibited}')
$$;

-- The same, and sent messages as well: a receiver that lost what it had accepted asks for it again. The id is the same,
-- so that a receiver that did not lose it can recognise the copy.
CREATE OR REPLACE FUNCTION herald.replay(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM herald.reopen($1, '{sent,failed,held,expired,inhibited}')
$$;
