-- Adds items of messages that are settled in the same transaction. The caller notifies.
CREATE OR REPLACE FUNCTION herald.insert_items(message_ids uuid[], recipient_ids text[], tenant text) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  inserted bigint;
BEGIN
  INSERT INTO herald.inbox (message_id, recipient_id, tenant)
  SELECT m.id, m.recipient_id, $3 FROM unnest($1, $2) AS m (id, recipient_id)
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS inserted = ROW_COUNT;
  RETURN inserted;
END
$$;

-- Adds the item of a scheduled message that a worker delivers now. Safe to repeat.
CREATE OR REPLACE FUNCTION herald.deliver_item(message_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO herald.inbox (message_id, recipient_id, tenant)
  SELECT m.id, m.recipient_id, m.tenant FROM herald.message m
  WHERE m.id = $1 AND m.method = 'inbox' AND m.status = 'sending'
  ON CONFLICT DO NOTHING;
  PERFORM herald.notify_readers();
END
$$;

-- Wakes the open streams, once per transaction however often it is called.
CREATE OR REPLACE FUNCTION herald.notify_readers() RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF (SELECT m.notify FROM herald.method m WHERE m.name = 'inbox') THEN
    PERFORM pg_notify('herald_inbox', '');
  END IF;
END
$$;

-- Returns how many items of a reader are unread and unseen; archived ones are neither. With a tenant: its items and
-- those of none. The partial index holds all that it reads.
CREATE OR REPLACE FUNCTION herald.inbox_count(recipient_id text, tenant text DEFAULT NULL, OUT unread bigint, OUT unseen bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  SELECT count(*), count(*) FILTER (WHERE i.seen_at IS NULL) INTO unread, unseen
  FROM herald.inbox i
  WHERE i.recipient_id = $1 AND i.read_at IS NULL AND i.archived_at IS NULL
    AND ($2 IS NULL OR i.tenant = $2 OR i.tenant IS NULL);
END
$$;

-- Returns a time in ISO 8601, in UTC, to the microsecond: texts of the same length, which sort as the times do.
CREATE OR REPLACE FUNCTION herald.utc_text(at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Returns what items are rendered from, as JSON. Data is text, which keeps the digits of its numbers.
CREATE OR REPLACE FUNCTION herald.item_sources(message_ids uuid[]) RETURNS TABLE (added_at timestamptz, message_id uuid, source jsonb)
LANGUAGE sql STABLE
AS $$
  SELECT i.added_at, i.message_id, jsonb_build_object('id', m.id, 'template', m.template, 'version', m.template_version,
    'group', t."group", 'recipient', m.recipient, 'labels', coalesce(n.labels, '{}'), 'data', n.data::text,
    'actions', n.actions, 'targets', m.targets, 'brand', x.brand, 'enqueuedAt', greatest(m.created_at, m.send_at),
    'createdAt', herald.utc_text(i.added_at), 'seenAt', herald.utc_text(i.seen_at), 'readAt', herald.utc_text(i.read_at),
    'archivedAt', herald.utc_text(i.archived_at))
  FROM herald.inbox i
  JOIN herald.message m ON m.id = i.message_id
  JOIN herald.template t ON t.name = m.template
  LEFT JOIN herald.notification n ON n.id = m.notification_id AND m.recipient_id <> 'erased'
  LEFT JOIN herald.tenant x ON x.id = m.tenant
  WHERE i.message_id = ANY ($1)
$$;

-- Returns one page of a reader's items, newest first, with the exact counts and the token of the snapshot that all of
-- it was read in. status: inbox (all but archived ones), unread, read or archived. before_at and before_id: the last
-- item of the page before. Planned anew for the filters that are given, so that each has its index.
CREATE OR REPLACE FUNCTION herald.inbox_page(recipient_id text, tenant text DEFAULT NULL, status text DEFAULT 'inbox',
  template text DEFAULT NULL, template_group text DEFAULT NULL, target text DEFAULT NULL,
  before_at timestamptz DEFAULT NULL, before_id uuid DEFAULT NULL, most integer DEFAULT 20,
  OUT token text, OUT unread bigint, OUT unseen bigint, OUT items jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  ids uuid[];
BEGIN
  IF status NOT IN ('inbox', 'unread', 'read', 'archived') OR status IS NULL THEN
    PERFORM herald.reject('HE006', 'status', format('unknown status "%s"', left(status, 200)),
      'Use inbox, unread, read or archived.');
  ELSIF most NOT BETWEEN 1 AND 500 OR most IS NULL THEN
    PERFORM herald.reject('HE006', 'most', format('%s items are out of bounds', most), 'Use 1 to 500.');
  END IF;
  EXECUTE 'SELECT ARRAY(SELECT i.message_id FROM herald.inbox i'
    || CASE WHEN num_nonnulls(template, template_group, target) > 0 THEN ' JOIN herald.message m ON m.id = i.message_id' ELSE '' END
    || CASE WHEN template_group IS NOT NULL THEN ' JOIN herald.template t ON t.name = m.template AND t."group" = $4' ELSE '' END
    || ' WHERE i.recipient_id = $1 AND ' || CASE status
      WHEN 'unread' THEN 'i.read_at IS NULL AND i.archived_at IS NULL'
      WHEN 'read' THEN 'i.read_at IS NOT NULL AND i.archived_at IS NULL'
      WHEN 'archived' THEN 'i.archived_at IS NOT NULL'
      ELSE 'i.archived_at IS NULL' END
    || CASE WHEN tenant IS NOT NULL THEN ' AND (i.tenant = $2 OR i.tenant IS NULL)' ELSE '' END
    || CASE WHEN template IS NOT NULL THEN ' AND m.template = $3' ELSE '' END
    || CASE WHEN target IS NOT NULL THEN ' AND m.targets @> ARRAY[$5] AND m.targets <> ''{}'' AND m.recipient_id = $1' ELSE '' END
    || CASE WHEN before_at IS NOT NULL THEN ' AND (i.added_at, i.message_id) < ($6, $7)' ELSE '' END
    || ' ORDER BY i.added_at DESC, i.message_id DESC LIMIT $8)'
    INTO ids USING recipient_id, tenant, template, template_group, target, before_at, before_id, most;
  token := herald.inbox_token();
  SELECT c.unread, c.unseen INTO unread, unseen FROM herald.inbox_count(recipient_id, tenant) c;
  SELECT coalesce(jsonb_agg(s.source ORDER BY s.added_at DESC, s.message_id DESC), '[]') INTO items
    FROM herald.item_sources(ids) s;
END
$$;

-- Returns the texts of a template version and the names of its secret labels, which an inbox does not show.
CREATE OR REPLACE FUNCTION herald.inbox_texts(template text, version integer) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object('name', v.template, 'version', v.version, 'language', v.language, 'title', v.title,
    'body', v.body, 'actions', v.actions, 'secrets', v.secrets, 'texts', (
      SELECT jsonb_agg(jsonb_build_object('language', x.language, 'title', x.title, 'body', x.body, 'actions', x.actions)
        ORDER BY x.language)
      FROM herald.template_text x WHERE x.template = v.template AND x.version = v.version))
  FROM herald.template_version v WHERE v.template = $1 AND v.version = $2
$$;
