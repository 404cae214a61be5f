-- Deletes one batch of settled messages that are older than their template's group keeps them. The setting "retention"
-- has days by group, "*" for all others, null for forever. One caller works at a time; the others get 0 at once, and so
-- does a database without the setting. Locked rows are left for the next time.
CREATE OR REPLACE FUNCTION herald.apply_retention(most integer DEFAULT 2000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  policy CONSTANT jsonb := (SELECT s.value FROM herald.setting s WHERE s.key = 'retention');
  ids uuid[];
  notification_ids uuid[];
BEGIN
  IF policy IS NULL OR policy = '{}' OR NOT pg_try_advisory_xact_lock(4720190818) THEN
    RETURN 0;
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
      ORDER BY m.created_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) o
    LIMIT $1);
  DELETE FROM herald.attempt a WHERE a.message_id = ANY (ids);
  DELETE FROM herald.report r WHERE r.message_id = ANY (ids);
  WITH deleted AS (DELETE FROM herald.message m WHERE m.id = ANY (ids) RETURNING m.notification_id)
  SELECT array_agg(DISTINCT d.notification_id) INTO notification_ids FROM deleted d;
  PERFORM herald.delete_unused_content(notification_ids);
  RETURN cardinality(ids);
END
$$;
