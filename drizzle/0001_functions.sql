-- Time-ordered ids (RFC 9562 version 7), so that rows of one time lie together in the indexes. PostgreSQL has uuidv7() only from 18.
CREATE FUNCTION herald.uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;
--> statement-breakpoint
-- What a recipient wants: true, false, or null without a row. The most specific row decides: template before group before
-- all, a named method before '*'.
CREATE FUNCTION herald.preference_of(recipient_id text, template text, template_group text, method text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT p.enabled
  FROM herald.preference p
  WHERE p.recipient_id = $1
    AND p.method IN ($4, '*')
    AND ((p.scope = 'template' AND p.subject = $2) OR (p.scope = 'group' AND p.subject = $3) OR p.scope = 'all')
  ORDER BY CASE p.scope WHEN 'template' THEN 1 WHEN 'group' THEN 2 ELSE 3 END, p.method = '*'
  LIMIT 1
$$;
--> statement-breakpoint
CREATE FUNCTION herald.reject(code text, path text, message text, hint text) RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, COLUMN = path, MESSAGE = format('herald.enqueue: %s', message), HINT = hint;
END
$$;
--> statement-breakpoint
-- Checks what SQL can check of a notification before anything is written. The codes: HE001 template, HE002 labels,
-- HE003 recipients, HE004 methods, HE005 size, HE006 options. COLUMN carries the path to the wrong value.
CREATE FUNCTION herald.check_notification(notification jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known CONSTANT text[] := ARRAY['template', 'to', 'labels', 'secrets', 'data', 'actions', 'targets', 'methods', 'dedupeKey',
    'dedupeWindowSeconds', 'sendAt', 'delaySeconds', 'expiresAt', 'ttlSeconds', 'priority', 'tenant', 'groupKey',
    'unsubscribeUrl', 'createdBy', 'traceContext'];
  stray text;
  bad record;
BEGIN
  IF jsonb_typeof(notification) IS DISTINCT FROM 'object' THEN
    PERFORM herald.reject('HE006', '', 'the notification must be a JSON object', 'Pass {"template": ..., "to": {...}, "labels": {...}}.');
  END IF;
  stray := (SELECT key FROM jsonb_object_keys(notification - known) AS key LIMIT 1);
  IF stray IS NOT NULL THEN
    PERFORM herald.reject('HE006', stray, format('unknown option "%s"', stray), format('Known options: %s.', array_to_string(known, ', ')));
  END IF;
  IF jsonb_typeof(coalesce(notification -> 'labels', '{}')) <> 'object' THEN
    PERFORM herald.reject('HE002', 'labels', 'labels must be an object of strings', 'Pass nested values as data.');
  END IF;
  stray := (SELECT key FROM jsonb_each(coalesce(notification -> 'labels', '{}')) WHERE jsonb_typeof(value) <> 'string' LIMIT 1);
  IF stray IS NOT NULL THEN
    PERFORM herald.reject('HE002', 'labels.' || stray, format('label "%s" is not a string', stray), 'Labels are flat strings; pass other values as data.');
  END IF;
  IF octet_length((notification - 'to')::text) > 262144 THEN
    PERFORM herald.reject('HE005', '', format('the notification is %s bytes without its recipients, the limit is 262144', octet_length((notification - 'to')::text)),
      'Store large content elsewhere and pass a link.');
  END IF;
  SELECT e.position, e.value, CASE
      WHEN jsonb_typeof(e.value) <> 'object' THEN 'is not an object'
      WHEN jsonb_typeof(e.value -> 'id') IS DISTINCT FROM 'string' OR e.value ->> 'id' = '' THEN 'has no id'
      WHEN length(e.value ->> 'id') > 200 THEN 'has an id of more than 200 characters'
      WHEN (e.value ->> 'name') ~ '[[:cntrl:]]' OR length(e.value ->> 'name') > 200 THEN 'has a name with control characters or of more than 200 characters'
      WHEN octet_length(e.value::text) > 8192 THEN 'is larger than 8192 bytes'
      ELSE 'has an e-mail address that is not one plain address'
    END AS wrong
    INTO bad
    FROM jsonb_array_elements(CASE jsonb_typeof(notification -> 'to') WHEN 'array' THEN notification -> 'to' ELSE jsonb_build_array(notification -> 'to') END)
      WITH ORDINALITY AS e (value, position)
    WHERE jsonb_typeof(e.value) <> 'object'
      OR jsonb_typeof(e.value -> 'id') IS DISTINCT FROM 'string'
      OR length(e.value ->> 'id') NOT BETWEEN 1 AND 200
      OR (e.value ->> 'name') ~ '[[:cntrl:]]' OR length(e.value ->> 'name') > 200
      OR octet_length(e.value::text) > 8192
      OR (jsonb_typeof(e.value -> 'email') NOT IN ('string', 'null'))
      OR (e.value ->> 'email') !~ '^[^[:cntrl:][:space:]@<>(),;:\\"\[\]]{1,64}@[^[:cntrl:][:space:]@<>(),;:\\"\[\]]{1,253}$'
    LIMIT 1;
  IF FOUND THEN
    PERFORM herald.reject('HE003', CASE jsonb_typeof(notification -> 'to') WHEN 'array' THEN format('to[%s]', bad.position - 1) ELSE 'to' END,
      format('recipient %s %s', bad.position, bad.wrong), 'A recipient is {"id": "...", "email": "name@example.com", "name": "..."}; id is required.');
  END IF;
  IF jsonb_typeof(notification -> 'to') = 'array' AND jsonb_array_length(notification -> 'to') > 100000 THEN
    PERFORM herald.reject('HE003', 'to', format('%s recipients, the limit of one call is 100000', jsonb_array_length(notification -> 'to')), 'Enqueue in several calls.');
  END IF;
END
$$;
--> statement-breakpoint
-- Writes the messages of one notification and their jobs, in the caller's transaction. One row comes back per message.
-- SECURITY DEFINER, so that an application role needs no right but to execute it; the empty search_path keeps a caller
-- from slipping in objects of its own.
CREATE FUNCTION herald.enqueue(notification jsonb)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  t record;
  n CONSTANT uuid := herald.uuid_v7();
  recipients jsonb;
  labels jsonb := coalesce(notification -> 'labels', '{}');
  hidden jsonb := coalesce(notification -> 'secrets', '{}');
  missing text;
  chosen text[];
  key CONSTANT text := notification ->> 'dedupeKey';
  slot bigint := 0;
  send_at timestamptz := (notification ->> 'sendAt')::timestamptz;
  start_at timestamptz;
  expires_at timestamptz := (notification ->> 'expiresAt')::timestamptz;
  written bigint;
BEGIN
  PERFORM herald.check_notification(notification);
  SELECT tpl.*, v.labels AS required, v.secrets AS secret_names INTO t
    FROM herald.template tpl
    JOIN herald.template_version v ON v.template = tpl.name AND v.version = tpl.current_version
    WHERE tpl.name = notification ->> 'template';
  IF NOT FOUND THEN
    PERFORM herald.reject('HE001', 'template', format('unknown template "%s"', notification ->> 'template'),
      'Write templates/<name>.md and run "pg-herald templates sync".');
  END IF;

  -- Labels that the template keeps secret never stay among the others, whoever enqueues.
  IF cardinality(t.secret_names) > 0 THEN
    hidden := hidden || coalesce((SELECT jsonb_object_agg(l.key, l.value) FROM jsonb_each(labels) l WHERE l.key = ANY (t.secret_names)), '{}');
    labels := labels - t.secret_names;
  END IF;
  missing := (SELECT r FROM unnest(t.required) AS r WHERE NOT (labels ? r OR hidden ? r) LIMIT 1);
  IF missing IS NOT NULL THEN
    PERFORM herald.reject('HE002', 'labels.' || missing, format('template "%s" version %s needs the label "%s"', t.name, t.current_version, missing),
      'Add it to the labels of the notification.');
  END IF;

  chosen := coalesce(t.methods_override,
    CASE WHEN jsonb_typeof(notification -> 'methods') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(notification -> 'methods')) END,
    t.methods,
    (SELECT ARRAY(SELECT jsonb_array_elements_text(s.value)) FROM herald.setting s WHERE s.key = 'methods'),
    ARRAY['smtp']);
  missing := (SELECT c FROM unnest(chosen) AS c WHERE NOT EXISTS (SELECT FROM herald.method m WHERE m.name = c) LIMIT 1);
  IF missing IS NOT NULL OR cardinality(chosen) = 0 THEN
    PERFORM herald.reject('HE004', 'methods', format('unknown method "%s"', coalesce(missing, '')),
      'Known methods are the rows of herald.method; add one with "pg-herald migrate --method NAME".');
  END IF;

  IF notification ? 'delaySeconds' THEN
    send_at := now() + (notification ->> 'delaySeconds')::double precision * interval '1 second';
  END IF;
  start_at := greatest(coalesce(send_at, now()), now());
  expires_at := coalesce(expires_at, start_at + coalesce((notification ->> 'ttlSeconds')::double precision, t.ttl_seconds) * interval '1 second');
  IF expires_at <= start_at THEN
    PERFORM herald.reject('HE006', 'expiresAt', 'the message would expire before it may be sent', 'Set expiresAt after sendAt and after now.');
  END IF;
  IF key IS NOT NULL AND notification ? 'dedupeWindowSeconds' THEN
    slot := 1 + floor(extract(epoch FROM now()) / (notification ->> 'dedupeWindowSeconds')::double precision);
  END IF;
  recipients := CASE jsonb_typeof(notification -> 'to') WHEN 'array' THEN notification -> 'to' ELSE jsonb_build_array(notification -> 'to') END;

  RETURN QUERY
  WITH recipient AS (
    SELECT DISTINCT ON (e.value ->> 'id') e.value ->> 'id' AS id, e.value AS snapshot, e.position
    FROM jsonb_array_elements(recipients) WITH ORDINALITY AS e (value, position)
    ORDER BY e.value ->> 'id', e.position
  ), candidate AS (
    SELECT r.id, r.snapshot, r.position, c.method, c.ordinal, CASE
        WHEN NOT t.enabled THEN 'template_disabled'
        WHEN NOT m.enabled THEN 'method_disabled'
        WHEN m.requires IS NOT NULL AND coalesce(r.snapshot ->> m.requires, '') = '' THEN 'no_address'
        WHEN m.requires IS NOT NULL AND EXISTS (
          SELECT FROM herald.suppression s
          WHERE s.method = m.name AND s.address = lower(r.snapshot ->> m.requires) AND s.suppressed_at IS NOT NULL) THEN 'suppressed'
        WHEN t.mandatory THEN NULL
        ELSE CASE herald.preference_of(r.id, t.name, t."group", c.method)
          WHEN true THEN NULL
          WHEN false THEN 'preference'
          ELSE CASE WHEN NOT t.enabled_by_default THEN 'default_off' END
        END
      END AS reason
    FROM recipient r
    CROSS JOIN unnest(chosen) WITH ORDINALITY AS c (method, ordinal)
    JOIN herald.method m ON m.name = c.method
  ), selected AS (
    SELECT * FROM candidate WHERE t.fallback = 'all'
    UNION ALL
    SELECT * FROM (SELECT DISTINCT ON (id) * FROM candidate WHERE t.fallback = 'first' ORDER BY id, reason IS NOT NULL, ordinal) f
  ), written AS (
    INSERT INTO herald.message AS w (id, notification_id, template, template_version, method, ordinal, status, reason, recipient_id,
      recipient, labels, secrets, data, actions, targets, tenant, group_key, unsubscribe_url, dedupe_key, dedupe_slot, priority, send_at,
      expires_at, next_attempt_at, max_attempts, unknown, created_by, trace_context, created_at, settled_at)
    SELECT herald.uuid_v7(), n, t.name, t.current_version, s.method,
      CASE t.fallback WHEN 'first' THEN 1 ELSE s.ordinal END, CASE WHEN s.reason IS NULL THEN 'pending' ELSE 'inhibited' END, s.reason, s.id,
      s.snapshot, labels, CASE WHEN s.reason IS NULL THEN nullif(hidden, '{}') END, nullif(notification -> 'data', 'null'),
      nullif(notification -> 'actions', 'null'),
      ARRAY(SELECT jsonb_array_elements_text(coalesce(nullif(notification -> 'targets', 'null'), '[]'))),
      notification ->> 'tenant', notification ->> 'groupKey', notification ->> 'unsubscribeUrl', key, slot,
      coalesce((notification ->> 'priority')::smallint, 0), send_at, expires_at, start_at, t.max_attempts, t.unknown,
      coalesce(notification ->> 'createdBy', session_user), notification -> 'traceContext', now(), CASE WHEN s.reason IS NOT NULL THEN now() END
    FROM selected s
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
    WHERE w.status = 'pending'
  )
  SELECT w.id, w.recipient_id, w.method, w.status, w.reason, false
  FROM written w JOIN recipient r ON r.id = w.recipient_id
  ORDER BY r.position, w.method;
  GET DIAGNOSTICS written = ROW_COUNT;

  IF key IS NOT NULL AND written < jsonb_array_length(recipients) * (CASE t.fallback WHEN 'first' THEN 1 ELSE cardinality(chosen) END) THEN
    RETURN QUERY
    SELECT m.id, m.recipient_id, m.method, m.status, m.reason, true
    FROM herald.message m
    JOIN jsonb_array_elements(recipients) AS e ON m.recipient_id = e.value ->> 'id'
    WHERE m.dedupe_key = key AND m.dedupe_slot = slot AND m.notification_id <> n;
  END IF;
  IF start_at <= now() AND written > 0 THEN
    PERFORM pg_notify('herald', m.name) FROM herald.method m WHERE m.name = ANY (chosen) AND m.notify;
  END IF;
END
$$;
--> statement-breakpoint
-- The same with named arguments, for triggers, pg_cron, psql and other languages:
--   SELECT * FROM herald.enqueue('workspace-deleted', '{"id": "42", "email": "ada@example.com"}', labels => '{"workspace": "w"}');
CREATE FUNCTION herald.enqueue(
  template text,
  recipients jsonb,
  labels jsonb DEFAULT '{}',
  data jsonb DEFAULT NULL,
  actions jsonb DEFAULT NULL,
  targets text[] DEFAULT '{}',
  methods text[] DEFAULT NULL,
  dedupe_key text DEFAULT NULL,
  dedupe_window interval DEFAULT NULL,
  send_at timestamptz DEFAULT NULL,
  delay interval DEFAULT NULL,
  expires_at timestamptz DEFAULT NULL,
  ttl interval DEFAULT NULL,
  priority integer DEFAULT NULL,
  tenant text DEFAULT NULL,
  group_key text DEFAULT NULL,
  unsubscribe_url text DEFAULT NULL,
  created_by text DEFAULT NULL)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE sql VOLATILE
AS $$
  SELECT * FROM herald.enqueue((
    SELECT jsonb_object_agg(o.key, o.value) FROM jsonb_each(jsonb_build_object(
      'template', $1, 'to', $2, 'labels', $3, 'data', $4, 'actions', $5, 'targets', to_jsonb($6), 'methods', to_jsonb($7),
      'dedupeKey', $8, 'dedupeWindowSeconds', extract(epoch FROM $9), 'sendAt', $10, 'delaySeconds', extract(epoch FROM $11),
      'expiresAt', $12, 'ttlSeconds', extract(epoch FROM $13), 'priority', $14, 'tenant', $15, 'groupKey', $16,
      'unsubscribeUrl', $17, 'createdBy', $18)) AS o
    WHERE jsonb_typeof(o.value) <> 'null'))
$$;
--> statement-breakpoint
-- Writes the jobs that unsettled messages lack and wakes the workers.
CREATE FUNCTION herald.wake(message_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  woken bigint;
BEGIN
  INSERT INTO herald_queue.job (id, name, priority, start_after, created_on, expire_seconds, deletion_seconds, keep_until, retry_limit,
    retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds, blocked, blocking, pending_dependencies)
  SELECT m.id, m.method, m.priority, m.next_attempt_at, now(), q.expire_seconds, q.deletion_seconds,
    m.next_attempt_at + q.retention_seconds * interval '1 second', q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.policy,
    q.dead_letter, q.heartbeat_seconds, false, false, 0
  FROM herald.message m
  LEFT JOIN herald_queue.queue q ON q.name = m.method
  WHERE m.id = ANY (message_ids) AND m.status IN ('pending', 'sending')
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS woken = ROW_COUNT;
  PERFORM pg_notify('herald', m.method) FROM herald.message m WHERE m.id = ANY (message_ids) GROUP BY m.method;
  RETURN woken;
END
$$;
--> statement-breakpoint
-- Delivers again, or for the first time, what failed, expired, was inhibited or is held. Attempts so far stay on record
-- but no longer count against the limit. A message whose secret labels were wiped cannot be rendered again and stays.
CREATE FUNCTION herald.retry(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  UPDATE herald.message m
  SET status = 'pending', reason = NULL, detail = NULL, charged = 0, next_attempt_at = now(), settled_at = NULL, send_at = NULL,
    expires_at = CASE WHEN m.expires_at <= now() THEN NULL ELSE m.expires_at END
  FROM herald.template_version v
  WHERE m.id = ANY (message_ids) AND m.status IN ('failed', 'held', 'expired', 'inhibited')
    AND v.template = m.template AND v.version = m.template_version
    AND (cardinality(v.secrets) = 0 OR m.secrets IS NOT NULL);
  PERFORM herald.wake(message_ids);
  RETURN QUERY
  SELECT m.id, m.status = 'pending' AND m.next_attempt_at = now(), m.status FROM herald.message m WHERE m.id = ANY (message_ids);
END
$$;
--> statement-breakpoint
-- Cancels in the caller's transaction and answers at once, per message: cancelled, in_flight (a worker is dispatching
-- it right now) or already_settled.
CREATE FUNCTION herald.cancel(message_ids uuid[] DEFAULT NULL, dedupe_key text DEFAULT NULL, target text DEFAULT NULL)
RETURNS TABLE (message_id uuid, answer text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  ids uuid[];
BEGIN
  ids := CASE
    WHEN $1 IS NOT NULL THEN $1
    WHEN $2 IS NOT NULL THEN ARRAY(SELECT m.id FROM herald.message m WHERE m.dedupe_key = $2)
    WHEN $3 IS NOT NULL THEN ARRAY(SELECT m.id FROM herald.message m WHERE m.targets @> ARRAY[$3] AND m.targets <> '{}')
    ELSE '{}' END;
  RETURN QUERY
  WITH locked AS (
    SELECT m.id, m.status FROM herald.message m WHERE m.id = ANY (ids) ORDER BY m.id FOR UPDATE
  ), stopped AS (
    UPDATE herald.message m
    SET status = 'cancelled', reason = 'cancelled', settled_at = now(), secrets = NULL
    FROM locked l
    WHERE m.id = l.id AND l.status IN ('pending', 'held')
  )
  SELECT l.id, CASE WHEN l.status IN ('pending', 'held') THEN 'cancelled' WHEN l.status = 'sending' THEN 'in_flight' ELSE 'already_settled' END
  FROM locked l;
END
$$;
--> statement-breakpoint
-- Sets a preference, or removes it where enabled is null. Scope: template, group or all (subject '').
CREATE FUNCTION herald.set_preference(recipient_id text, scope text, subject text, enabled boolean, method text DEFAULT '*') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF $2 = 'template' AND NOT EXISTS (SELECT FROM herald.template t WHERE t.name = $3) THEN
    PERFORM herald.reject('HE001', 'subject', format('unknown template "%s"', $3), 'See "pg-herald templates list".');
  END IF;
  IF $2 = 'template' AND $4 = false AND EXISTS (SELECT FROM herald.template t WHERE t.name = $3 AND t.mandatory) THEN
    PERFORM herald.reject('HE006', 'subject', format('template "%s" is mandatory and cannot be switched off', $3), 'Leave it on, or drop "mandatory" from its header.');
  END IF;
  IF $4 IS NULL THEN
    DELETE FROM herald.preference p WHERE p.recipient_id = $1 AND p.scope = $2 AND p.subject = $3 AND p.method = $5;
  ELSE
    INSERT INTO herald.preference AS p (recipient_id, scope, subject, method, enabled) VALUES ($1, $2, $3, $5, $4)
    ON CONFLICT ON CONSTRAINT preference_recipient_id_scope_subject_method_pk DO UPDATE SET enabled = EXCLUDED.enabled, updated_at = now();
  END IF;
END
$$;
--> statement-breakpoint
-- What a recipient gets at present: a row per template and method. decided_by says which rule decided.
CREATE FUNCTION herald.preferences(recipient_id text)
RETURNS TABLE (template text, template_group text, method text, enabled boolean, mandatory boolean, decided_by text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.name, t."group", m.name, CASE
      WHEN NOT t.enabled OR NOT m.enabled THEN false
      WHEN t.mandatory THEN true
      ELSE coalesce(herald.preference_of($1, t.name, t."group", m.name), t.enabled_by_default) END,
    t.mandatory, CASE
      WHEN NOT t.enabled THEN 'template_disabled'
      WHEN NOT m.enabled THEN 'method_disabled'
      WHEN t.mandatory THEN 'mandatory'
      WHEN herald.preference_of($1, t.name, t."group", m.name) IS NOT NULL THEN 'preference'
      ELSE 'default' END
  FROM herald.template t
  JOIN herald.method m ON m.name = ANY (coalesce(t.methods_override, t.methods,
    (SELECT ARRAY(SELECT jsonb_array_elements_text(s.value)) FROM herald.setting s WHERE s.key = 'methods'), ARRAY['smtp']))
  ORDER BY t."group", t.name, m.name
$$;
