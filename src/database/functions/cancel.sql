-- Cancels messages in the caller's transaction and returns a result per message: cancelled, in_flight (a worker is
-- dispatching it now) or already_settled. The row lock decides between the caller and a worker that begins at the same
-- moment. Jobs without a lease are deleted, because one may be scheduled for next year. Runs with the caller's rights:
-- the functions that call it lend theirs.
CREATE OR REPLACE FUNCTION herald.cancel_messages(message_ids uuid[], reason text)
RETURNS TABLE (message_id uuid, answer text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH locked AS (
    SELECT m.id, m.method, m.status FROM herald.message m WHERE m.id = ANY ($1) ORDER BY m.id FOR UPDATE
  ), stopped AS (
    UPDATE herald.message m
    SET status = 'cancelled', reason = $2, detail = NULL, settled_at = now(), secrets = NULL
    FROM locked l
    WHERE m.id = l.id AND l.status IN ('pending', 'held')
    RETURNING m.id, m.method
  ), job AS (
    DELETE FROM herald_queue.job j USING stopped s WHERE j.name = s.method AND j.id = s.id AND j.state < 'active'
  )
  SELECT l.id, CASE
      WHEN l.status IN ('pending', 'held') THEN 'cancelled'
      WHEN l.status = 'sending' THEN 'in_flight'
      ELSE 'already_settled' END
  FROM locked l
  ORDER BY l.id;
END
$$;

-- Cancels by exactly one of ids, dedupe key, target and recipient. Of a recipient, only messages that are not settled.
CREATE OR REPLACE FUNCTION herald.cancel(message_ids uuid[] DEFAULT NULL, dedupe_key text DEFAULT NULL,
  target text DEFAULT NULL, recipient_id text DEFAULT NULL)
RETURNS TABLE (message_id uuid, answer text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
  ids uuid[] := $1;
BEGIN
  IF num_nonnulls($1, $2, $3, $4) <> 1 THEN
    PERFORM herald.reject('HE006', '', 'cancel takes exactly one of message_ids, dedupe_key, target and recipient_id',
      'Name the argument, for example target => ''42''.');
  ELSIF $2 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.dedupe_key = $2);
  ELSIF $3 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.targets @> ARRAY[$3] AND m.targets <> '{}');
  ELSIF $4 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.recipient_id = $4 AND m.settled_at IS NULL);
  END IF;
  RETURN QUERY SELECT c.message_id, c.answer FROM herald.cancel_messages(ids, 'cancelled') c;
END
$$;

-- The trigger of "pg-herald cancel-with": cancels what is about the rows that a statement deletes, in its transaction.
-- Its argument is the column whose value messages have among their targets. FOR EACH STATEMENT it reads the transition
-- table deleted_rows, FOR EACH ROW (of a soft deletion) the row. SECURITY DEFINER, because who deletes rows need not be
-- able to enqueue.
CREATE OR REPLACE FUNCTION herald.cancel_with_deleted() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  deleted text[];
BEGIN
  IF TG_LEVEL = 'STATEMENT' THEN
    EXECUTE format('SELECT array_agg(d.%I::text) FROM deleted_rows d', TG_ARGV[0]) INTO deleted;
  ELSE
    deleted := ARRAY[to_jsonb(OLD) ->> TG_ARGV[0]];
  END IF;
  PERFORM herald.cancel_messages(ARRAY(
    SELECT m.id FROM herald.message m WHERE m.targets && deleted AND m.targets <> '{}' AND m.settled_at IS NULL),
    'subject_deleted');
  RETURN NULL;
END
$$;
