-- Writes the messages of one notification and their jobs, in the caller's transaction. One row comes back per message: the
-- written ones in the order of recipients and methods, then those that stood already under the dedupe key.
-- SECURITY DEFINER, so that an application role needs no right but to use the schema; the empty search_path keeps a caller
-- from slipping in objects of its own. Generic plans, because planning costs more than running.
CREATE OR REPLACE FUNCTION herald.enqueue(notification jsonb)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  n CONSTANT uuid := herald.uuid_v7();
  -- Ids of messages: the notification's with another end, counting up from a random number, in the order of the input.
  id_head CONSTANT text := left(n::text, 24);
  id_tail CONSTANT bigint := 140737488355328 + (('x' || right(n::text, 12))::bit(48)::bigint & 70368744177663);
  options CONSTANT jsonb := herald.options_of(notification);
  recipients jsonb := jsonb_strip_nulls(notification -> 'to');
  place text := 'to[%s]';
  fields text[] := ARRAY['id', 'email', 'name', 'locale', 'timeZone'];
  t record;
  lenient CONSTANT boolean := coalesce(options ->> 'invalidAddress' = 'inhibit', false);
  open_labels jsonb;
  hidden_labels jsonb;
  chosen text[];
  listening text[];
  dedupe_window bigint := 0;
  send_at timestamptz;
  start_at timestamptz;
  expires_at timestamptz;
  missing text;
  written bigint;
  has_endpoints boolean;
  judged herald.judgement[];
  files CONSTANT smallint := coalesce(jsonb_array_length(nullif(notification -> 'attachments', 'null')), 0);
BEGIN
  SELECT o.*, tpl.name, tpl."group", tpl.current_version, tpl.methods_override, tpl.methods AS own_methods, tpl.fallback, tpl.enabled,
      tpl.enabled_by_default, tpl.mandatory, tpl.ttl_seconds, tpl.unknown, tpl.max_attempts, v.labels AS required, v.secrets AS secret_names
    INTO t
    FROM jsonb_to_record(options) AS o (template text, labels jsonb, secrets jsonb, data jsonb, actions jsonb, targets text[], methods text[],
      "dedupeKey" text, "dedupeWindowSeconds" double precision, "sendAt" timestamptz, "delaySeconds" double precision, "expiresAt" timestamptz,
      "ttlSeconds" double precision, priority smallint, tenant text, "groupKey" text, "unsubscribeUrl" text, "createdBy" text, "traceContext" jsonb)
    LEFT JOIN herald.template tpl ON tpl.name = o.template
    LEFT JOIN herald.template_version v ON v.template = tpl.name AND v.version = tpl.current_version;
  IF t.required IS NULL THEN
    PERFORM herald.reject('HE001', 'template', format('unknown template "%s"', left(t.template, 200)),
      'Write templates/<name>.md and run "pg-herald templates sync".');
  END IF;

  -- Labels that the template keeps secret never stay among the others, whoever enqueues.
  open_labels := coalesce(t.labels, '{}');
  hidden_labels := coalesce(t.secrets, '{}');
  IF cardinality(t.secret_names) > 0 THEN
    hidden_labels := hidden_labels || coalesce((SELECT jsonb_object_agg(l.key, l.value) FROM jsonb_each(open_labels) l WHERE l.key = ANY (t.secret_names)), '{}');
    open_labels := open_labels - t.secret_names;
  END IF;
  IF NOT (open_labels || hidden_labels) ?& t.required THEN
    missing := (SELECT r FROM unnest(t.required) AS r WHERE NOT (open_labels || hidden_labels) ? r LIMIT 1);
    PERFORM herald.reject('HE002', 'labels.' || missing, format('template "%s" version %s needs the label "%s"', t.name, t.current_version, missing),
      'Add it to the labels of the notification.');
  END IF;

  chosen := coalesce(nullif(t.methods_override, '{}'), t.methods, nullif(t.own_methods, '{}'));
  IF chosen IS NULL THEN
    chosen := coalesce(nullif((SELECT ARRAY(SELECT jsonb_array_elements_text(s.value)) FROM herald.setting s WHERE s.key = 'methods'), '{}'), '{smtp}');
  END IF;
  SELECT array_agg(m.name) FILTER (WHERE m.notify), fields || array_agg(m.requires) FILTER (WHERE m.requires <> ALL (fields)), count(*),
      bool_or(EXISTS (SELECT FROM herald.endpoint e WHERE e.method = m.name))
    INTO listening, fields, written, has_endpoints
    FROM herald.method m WHERE m.name = ANY (chosen) AND m.name <> '*';
  IF written < cardinality(chosen) THEN
    missing := (SELECT c FROM unnest(chosen) AS c WHERE NOT EXISTS (SELECT FROM herald.method m WHERE m.name = c AND m.name <> '*') LIMIT 1);
  END IF;
  IF missing IS NOT NULL THEN
    PERFORM herald.reject('HE004', 'methods', format('unknown method "%s"', left(missing, 200)),
      'Known methods are the rows of herald.method; add one with "pg-herald migrate --method NAME".');
  END IF;

  send_at := coalesce(t."sendAt", now() + t."delaySeconds" * interval '1 second');
  start_at := greatest(send_at, now());
  expires_at := coalesce(t."expiresAt", start_at + coalesce(t."ttlSeconds", t.ttl_seconds) * interval '1 second');
  IF expires_at <= send_at THEN
    PERFORM herald.reject('HE006', 'expiresAt', 'the message would expire before it may be sent', 'Set expiresAt after sendAt.');
  END IF;
  IF t."dedupeWindowSeconds" IS NOT NULL THEN
    dedupe_window := 1 + floor(extract(epoch FROM now()) / t."dedupeWindowSeconds");
  END IF;
  IF jsonb_typeof(recipients) = 'object' THEN
    recipients := jsonb_build_array(recipients);
    place := 'to';
  END IF;

  IF jsonb_array_length(recipients) = 1 AND cardinality(chosen) = 1 AND NOT has_endpoints THEN
    -- One message, as nearly always: the same as below without what is only for several, which takes longer to set up than to run.
    SELECT ARRAY[ROW(r.snapshot ->> 'id', nullif(lower(r.snapshot ->> m.requires), ''), 1, m.name, 1, CASE WHEN t.fallback = 'first' THEN '*' ELSE m.name END,
        herald.reason_against(expires_at <= now(), t.enabled, m.enabled, m.requires, r.snapshot, lenient, u.address IS NOT NULL, NULL, NULL, t.mandatory, p.enabled, t.enabled_by_default),
        NULL, 0)::herald.judgement]
      INTO judged
      FROM (SELECT recipients -> 0 AS snapshot) r
      CROSS JOIN herald.method m
      LEFT JOIN herald.suppression u ON u.method = m.name AND u.address = lower(r.snapshot ->> m.requires) AND u.suppressed_at IS NOT NULL
      LEFT JOIN LATERAL herald.choice_of(r.snapshot ->> 'id', t.name, t."group", m.name) p ON true
      WHERE m.name = chosen[1] AND herald.accepts_recipient(r.snapshot, fields, lenient, place, 1);
  ELSE
    SELECT array_agg(ROW(s.id, s.address, s.position, s.method, s.ordinal, s.scope, s.reason, s.endpoint, s.number)::herald.judgement) INTO judged
    FROM (
      -- Sorted by recipient, so that two calls with one dedupe key wait for each other instead of deadlocking. Of a
      -- recipient that is given twice the first counts; of a fallback's methods the first that nothing speaks against.
      SELECT DISTINCT ON (k.id COLLATE "C", k.scope COLLATE "C") k.id, k.address, k.position, k.method, k.ordinal, k.scope, k.reason, k.endpoint, k.number
      FROM (
        SELECT r.id, nullif(lower(r.snapshot ->> m.requires), '') AS address, r.position, c.name AS method, c.ordinal, CASE WHEN t.fallback = 'first' THEN '*' WHEN ep.id IS NULL THEN c.name ELSE c.name || ':' || ep.id END AS scope,
          ep.id AS endpoint, coalesce(ep.number, 0) AS number,
          herald.reason_against(expires_at <= now(), t.enabled, m.enabled, m.requires, r.snapshot, lenient, u.address IS NOT NULL, ep.enabled, ep.subscribed, t.mandatory, p.enabled, t.enabled_by_default) AS reason
        FROM (
          SELECT e.value ->> 'id' AS id, e.value AS snapshot, e.position
          FROM jsonb_array_elements(recipients) WITH ORDINALITY AS e (value, position)
          WHERE herald.accepts_recipient(e.value, fields, lenient, place, e.position)
        ) r
        CROSS JOIN unnest(chosen) WITH ORDINALITY AS c (name, ordinal)
        JOIN herald.method m ON m.name = c.name
        LEFT JOIN herald.suppression u ON u.method = m.name AND u.address = lower(r.snapshot ->> m.requires) AND u.suppressed_at IS NOT NULL
        LEFT JOIN LATERAL herald.choice_of(r.id, t.name, t."group", m.name) p ON true
        LEFT JOIN LATERAL herald.endpoints_of(r.id, t.tenant, t."group", m.name) ep ON has_endpoints
      ) k
      ORDER BY k.id COLLATE "C", k.scope COLLATE "C", k.position, k.reason IS NOT NULL, k.ordinal, k.number
    ) s;
  END IF;

  RETURN QUERY
  WITH written AS (
    INSERT INTO herald.message AS w (id, notification_id, template, template_version, method, ordinal, status, reason, recipient_id,
      address, recipient, labels, secrets, data, actions, targets, tenant, group_key, unsubscribe_url, dedupe_key, dedupe_slot, priority, send_at, endpoint_id, attachments,
      expires_at, next_attempt_at, max_attempts, unknown, created_by, trace_context, created_at, settled_at, dedupe_scope)
    SELECT (id_head || to_hex(id_tail + (s.position * 16 + s.ordinal) * 16384 + s.number))::uuid, n, t.name, t.current_version, s.method, s.ordinal,
      CASE WHEN s.reason IS NULL THEN 'pending' WHEN s.reason = 'expired' THEN 'expired' ELSE 'inhibited' END, s.reason, s.id,
      s.address, herald.stored_recipient(recipients -> (s.position - 1)::int),
      open_labels, CASE WHEN s.reason IS NULL THEN nullif(hidden_labels, '{}') END, t.data, t.actions, coalesce(t.targets, '{}'), t.tenant, t."groupKey",
      t."unsubscribeUrl", t."dedupeKey", dedupe_window, coalesce(t.priority, 0), send_at, s.endpoint, files, expires_at, start_at, t.max_attempts, t.unknown,
      coalesce(t."createdBy", session_user), t."traceContext", now(), CASE WHEN s.reason IS NOT NULL THEN now() END,
      CASE WHEN t."dedupeKey" IS NOT NULL THEN s.scope END
    FROM unnest(judged) s
    ON CONFLICT DO NOTHING
    RETURNING w.id, w.recipient_id, w.method, w.status, w.reason, w.priority
  ), job AS (
    -- The columns and values are those of pg-boss's own insert(); a contract test compares the rows.
    INSERT INTO herald_queue.job (id, name, priority, start_after, created_on, expire_seconds, deletion_seconds, keep_until, retry_limit,
      retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds, blocked, blocking, pending_dependencies)
    SELECT w.id, w.method, w.priority, start_at, now(), q.expire_seconds, q.deletion_seconds, start_at + q.retention_seconds * interval '1 second',
      q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.policy, q.dead_letter, q.heartbeat_seconds, false, false, 0
    FROM written w
    LEFT JOIN herald_queue.queue q ON q.name = w.method
    WHERE w.status <> ALL ('{inhibited,expired}')
  )
  SELECT w.id, w.recipient_id, w.method, w.status, w.reason, false FROM written w ORDER BY w.id;
  GET DIAGNOSTICS written = ROW_COUNT;

  IF files > 0 AND written > 0 THEN
    INSERT INTO herald.attachment (notification_id, position, name, content_type, content)
    SELECT n, a.position, a.value ->> 'name', lower(a.value ->> 'contentType'), decode(a.value ->> 'content', 'base64')
    FROM jsonb_array_elements(notification -> 'attachments') WITH ORDINALITY AS a (value, position);
  END IF;
  IF t."dedupeKey" IS NOT NULL AND (has_endpoints OR written < jsonb_array_length(recipients) * (CASE t.fallback WHEN 'first' THEN 1 ELSE cardinality(chosen) END)) THEN
    RETURN QUERY
    SELECT m.id, m.recipient_id, m.method, m.status, m.reason, true
    FROM (SELECT e.value ->> 'id' AS id, min(e.position) AS position
      FROM jsonb_array_elements(recipients) WITH ORDINALITY AS e (value, position) GROUP BY 1) r
    JOIN herald.message m ON m.recipient_id = r.id
    WHERE m.dedupe_key = t."dedupeKey" AND m.dedupe_slot = dedupe_window AND m.notification_id <> n
      AND split_part(m.dedupe_scope, ':', 1) = ANY (CASE t.fallback WHEN 'first' THEN '{*}' ELSE chosen END)
    ORDER BY r.position, array_position(chosen, m.method), m.id;
  END IF;
  IF start_at <= now() AND written > 0 AND listening IS NOT NULL THEN
    PERFORM pg_notify('herald', l) FROM unnest(listening) AS l;
  END IF;
END
$$;
