-- Marks a reader's items as seen, read, unread, archived or unarchived: by their ids, by what they are about, or, with
-- as_of, all that the snapshot of a list's token saw, narrowed by template and group. What arrived since, or what a
-- transaction that began earlier committed since, stays as it is. Returns how many items changed, the counts after
-- that, how many later messages became needless, and whether the token can no longer be used (then nothing is marked).
-- Rows are locked in the order of their ids, so that two calls wait for each other instead of deadlocking.
CREATE OR REPLACE FUNCTION herald.mark(recipient_id text, state text, message_ids uuid[] DEFAULT NULL,
  target text DEFAULT NULL, as_of text DEFAULT NULL, tenant text DEFAULT NULL, template text DEFAULT NULL,
  template_group text DEFAULT NULL,
  OUT changed bigint, OUT unread bigint, OUT unseen bigint, OUT cancelled bigint, OUT reload boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  snapshot CONSTANT pg_snapshot := herald.inbox_snapshot(as_of);
  applies_to CONSTANT text := CASE state
    WHEN 'seen' THEN 'i.seen_at IS NULL AND i.read_at IS NULL'
    WHEN 'read' THEN 'i.read_at IS NULL'
    WHEN 'unread' THEN 'i.read_at IS NOT NULL'
    WHEN 'archived' THEN 'i.archived_at IS NULL'
    WHEN 'unarchived' THEN 'i.archived_at IS NOT NULL' END;
  change CONSTANT text := CASE state
    WHEN 'seen' THEN 'seen_at = now()'
    WHEN 'read' THEN 'read_at = now(), seen_at = coalesce(i.seen_at, now())'
    WHEN 'unread' THEN 'read_at = NULL'
    WHEN 'archived' THEN 'archived_at = now()'
    WHEN 'unarchived' THEN 'archived_at = NULL' END;
  ids uuid[];
BEGIN
  changed := 0;
  cancelled := 0;
  reload := as_of IS NOT NULL AND snapshot IS NULL;
  IF NOT coalesce(herald.is_line(to_jsonb($1), 200), false) THEN
    PERFORM herald.reject('HE003', 'recipient_id', 'recipient_id must be one line of 1 to 200 characters',
      'Pass the id that notifications are addressed to.');
  ELSIF applies_to IS NULL THEN
    PERFORM herald.reject('HE006', 'state', format('unknown state "%s"', left(state, 200)),
      'Use seen, read, unread, archived or unarchived.');
  ELSIF num_nonnulls(message_ids, target, as_of) <> 1 THEN
    PERFORM herald.reject('HE006', '', 'mark takes exactly one of message_ids, target and as_of',
      'Name the argument, for example target => ''42''.');
  ELSIF as_of IS NULL AND num_nonnulls(template, template_group) > 0 THEN
    PERFORM herald.reject('HE006', 'template', 'template and template_group narrow as_of only', 'Leave them out.');
  END IF;
  IF NOT reload THEN
    EXECUTE 'WITH locked AS MATERIALIZED (SELECT i.message_id FROM herald.inbox i'
      || CASE WHEN num_nonnulls(target, template, template_group) > 0 THEN ' JOIN herald.message m ON m.id = i.message_id' ELSE '' END
      || CASE WHEN template_group IS NOT NULL THEN ' JOIN herald.template t ON t.name = m.template AND t."group" = $7' ELSE '' END
      || ' WHERE i.recipient_id = $1 AND ' || applies_to
      || CASE WHEN as_of IS NOT NULL AND state NOT IN ('archived', 'unarchived') THEN ' AND i.archived_at IS NULL' ELSE '' END
      || CASE WHEN tenant IS NOT NULL THEN ' AND (i.tenant = $2 OR i.tenant IS NULL)' ELSE '' END
      || CASE WHEN message_ids IS NOT NULL THEN ' AND i.message_id = ANY ($3)' ELSE '' END
      || CASE WHEN target IS NOT NULL THEN ' AND m.targets @> ARRAY[$4] AND m.targets <> ''{}'' AND m.recipient_id = $1' ELSE '' END
      || CASE WHEN as_of IS NOT NULL THEN ' AND pg_visible_in_snapshot(i.added_xid, $5)' ELSE '' END
      || CASE WHEN template IS NOT NULL THEN ' AND m.template = $6' ELSE '' END
      || ' ORDER BY i.message_id FOR UPDATE OF i), changed AS (UPDATE herald.inbox i SET changed_xid = pg_current_xact_id(), '
      || change || ' FROM locked l WHERE i.message_id = l.message_id RETURNING i.message_id)'
      || ' SELECT array_agg(c.message_id) FROM changed c'
      INTO ids USING recipient_id, tenant, message_ids, target, snapshot, template, template_group;
    changed := coalesce(cardinality(ids), 0);
  END IF;
  IF changed > 0 THEN
    cancelled := herald.cancel_steps(recipient_id, ids, state);
    PERFORM herald.notify_readers();
  END IF;
  SELECT c.unread, c.unseen INTO unread, unseen FROM herald.inbox_count(recipient_id, tenant) c;
END
$$;
