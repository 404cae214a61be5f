-- Returns for which readers anything changed since a token, and the token of now. Null instead of the readers: for
-- too many to name, or the token cannot be used. One query serves all open streams of a process, whatever their number.
-- What a snapshot did not see has an id from its end on, or was open then. So a long transaction does not make the
-- range grow, as a comparison with its beginning would.
CREATE OR REPLACE FUNCTION herald.inbox_changed(since text, most integer DEFAULT 5000, OUT token text, OUT recipient_ids text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  snapshot CONSTANT pg_snapshot := herald.inbox_snapshot(since);
  unfinished CONSTANT xid8[] := ARRAY(SELECT pg_snapshot_xip(snapshot));
BEGIN
  token := herald.inbox_token();
  IF snapshot IS NULL THEN
    RETURN;
  END IF;
  recipient_ids := ARRAY(
    SELECT c.recipient_id FROM (
      (SELECT i.recipient_id FROM herald.inbox i WHERE i.changed_xid >= pg_snapshot_xmax(snapshot)
        ORDER BY i.changed_xid LIMIT most + 1)
      UNION ALL
      (SELECT i.recipient_id FROM herald.inbox i WHERE i.changed_xid = ANY (unfinished) LIMIT most + 1)
    ) c);
  IF cardinality(recipient_ids) > most THEN
    recipient_ids := NULL;
  END IF;
END
$$;

-- Returns what each of these readers has not been told since its own token: a row per reader, in order. items: what
-- was added or changed, newest first, as herald.inbox_page returns it. Null: there is more than most, or the token
-- cannot be used, so the reader must fetch its list again. A reader without a token learns the counts.
CREATE OR REPLACE FUNCTION herald.inbox_news(recipient_ids text[], tenants text[], tokens text[], most integer DEFAULT 20)
RETURNS TABLE (token text, unread bigint, unseen bigint, items jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  snapshot pg_snapshot;
  unfinished xid8[];
  ids uuid[];
BEGIN
  token := herald.inbox_token();
  FOR i IN 1 .. coalesce(cardinality(recipient_ids), 0) LOOP
    SELECT c.unread, c.unseen INTO unread, unseen FROM herald.inbox_count(recipient_ids[i], tenants[i]) c;
    snapshot := herald.inbox_snapshot(tokens[i]);
    items := CASE WHEN tokens[i] IS NULL THEN '[]'::jsonb END;
    IF snapshot IS NOT NULL THEN
      unfinished := ARRAY(SELECT pg_snapshot_xip(snapshot));
      ids := ARRAY(
        SELECT c.message_id FROM (
          (SELECT n.message_id FROM herald.inbox n
            WHERE n.recipient_id = recipient_ids[i] AND n.changed_xid >= pg_snapshot_xmax(snapshot)
              AND (tenants[i] IS NULL OR n.tenant = tenants[i] OR n.tenant IS NULL)
            ORDER BY n.changed_xid LIMIT most + 1)
          UNION ALL
          (SELECT n.message_id FROM herald.inbox n
            WHERE n.recipient_id = recipient_ids[i] AND n.changed_xid = ANY (unfinished)
              AND (tenants[i] IS NULL OR n.tenant = tenants[i] OR n.tenant IS NULL)
            LIMIT most + 1)
        ) c);
      IF cardinality(ids) <= most THEN
        SELECT coalesce(jsonb_agg(s.source ORDER BY s.added_at DESC, s.message_id DESC), '[]') INTO items
          FROM herald.item_sources(ids) s;
      END IF;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;
