-- Deletes one batch of items that are older than inboxes keep them. Their messages stay. The ids of messages are
-- ordered by time, so the primary key finds the oldest without an index of its own.
CREATE OR REPLACE FUNCTION herald.delete_old_items(most integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  days CONSTANT double precision := CASE WHEN EXISTS (SELECT FROM herald.setting s WHERE s.key = 'inbox_retention')
    THEN (SELECT (s.value #>> '{}')::double precision FROM herald.setting s WHERE s.key = 'inbox_retention') ELSE 90 END;
  before CONSTANT timestamptz := now() - days * interval '1 day';
  first_id_since CONSTANT uuid :=
    rpad(lpad(to_hex((extract(epoch FROM before) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
  deleted bigint;
BEGIN
  IF days IS NULL THEN
    RETURN 0;
  END IF;
  DELETE FROM herald.inbox d USING (
    SELECT i.message_id FROM herald.inbox i
    WHERE i.message_id < first_id_since AND i.added_at < before
      AND NOT EXISTS (SELECT FROM herald.message w JOIN herald.message m ON m.id = i.message_id
        WHERE w.recipient_id = i.recipient_id AND w.notification_id = m.notification_id AND w.unless IS NOT NULL AND w.settled_at IS NULL)
    ORDER BY i.message_id LIMIT most FOR UPDATE SKIP LOCKED
  ) o WHERE d.message_id = o.message_id;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN deleted;
END
$$;

-- Deletes one batch of settled messages that are older than their template's group keeps them, and of items that are
-- older than inboxes keep them. The setting "retention" has days by group, "*" for all others, null for forever; the
-- setting "inbox_retention" has the days of items, 90 without it. One caller works at a time; the others get 0 at once.
-- What a step that waits may ask about stays, and locked rows are left for the next
-- time. Returns how many rows there were.
CREATE OR REPLACE FUNCTION herald.apply_retention(most integer DEFAULT 2000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  policy CONSTANT jsonb := (SELECT s.value FROM herald.setting s WHERE s.key = 'retention');
  ids uuid[];
  notification_ids uuid[];
  items bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(4720190818) THEN
    RETURN 0;
  END IF;
  items := herald.delete_old_items($1);
  IF policy IS NULL OR policy = '{}' THEN
    RETURN items;
  END IF;
  ids := ARRAY(
    SELECT o.id
    FROM herald.template t
    CROSS JOIN LATERAL (
      SELECT now() - interval '1 day'
        * (CASE WHEN policy ? t."group" THEN policy ->> t."group" ELSE policy ->> '*' END)::double precision AS before
    ) p
    CROSS JOIN LATERAL (
      SELECT m.id FROM herald.message m
      WHERE m.template = t.name AND m.created_at < p.before AND m.settled_at < p.before
        AND NOT EXISTS (SELECT FROM herald.message w WHERE w.recipient_id = m.recipient_id AND w.notification_id = m.notification_id
          AND w.unless IS NOT NULL AND w.settled_at IS NULL)
      ORDER BY m.created_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) o
    LIMIT $1);
  -- In the order in which herald.mark locks them.
  PERFORM FROM herald.inbox i WHERE i.message_id = ANY (ids) ORDER BY i.message_id FOR UPDATE;
  DELETE FROM herald.attempt a WHERE a.message_id = ANY (ids);
  DELETE FROM herald.report r WHERE r.message_id = ANY (ids);
  DELETE FROM herald.inbox i WHERE i.message_id = ANY (ids);
  WITH deleted AS (DELETE FROM herald.message m WHERE m.id = ANY (ids) RETURNING m.notification_id)
  SELECT array_agg(DISTINCT d.notification_id) INTO notification_ids FROM deleted d;
  PERFORM herald.delete_unused_content(notification_ids);
  RETURN items + cardinality(ids);
END
$$;
