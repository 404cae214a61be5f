-- The position of the first attachment that is none, counted from 0; null if all are. Decoding here keeps a broken one out of the table.
CREATE FUNCTION herald.wrong_attachment(elements jsonb) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
  i integer := 0;
  a jsonb;
BEGIN
  FOR a IN SELECT e.value FROM jsonb_array_elements(elements) WITH ORDINALITY AS e (value, position) ORDER BY e.position LOOP
    IF NOT (herald.are_strings(a) AND a - '{name,contentType,content}'::text[] = '{}' AND herald.is_line(a -> 'name', 200)
      AND (a ->> 'name') !~ '[/\\]' AND coalesce(length(a ->> 'contentType') <= 200, false)
      AND (a ->> 'contentType') COLLATE "C" ~ '^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$' AND coalesce(octet_length(decode(a ->> 'content', 'base64')) > 0, false)) THEN
      RETURN i;
    END IF;
    i := i + 1;
  END LOOP;
  RETURN NULL;
EXCEPTION WHEN invalid_parameter_value OR data_exception THEN
  RETURN i;
END
$$;
--> statement-breakpoint
-- What an option must be; null for one that does not exist.
CREATE OR REPLACE FUNCTION herald.rule_of(option text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE option
    WHEN 'template' THEN 'must be the name of a template'
    WHEN 'to' THEN 'must be a recipient or an array of 100000 at most'
    WHEN 'labels' THEN 'must be an object of strings; pass other values as data'
    WHEN 'secrets' THEN 'must be an object of strings'
    WHEN 'invalidAddress' THEN 'must be "reject" or "inhibit"'
    WHEN 'actions' THEN 'must be an array of 10 at most, each {"label": "...", "url": "https://..."}'
    WHEN 'targets' THEN 'must be an array of 100 strings at most, each one line of 200 characters at most'
    WHEN 'methods' THEN 'must be an array of 1 to 10 names of methods'
    WHEN 'dedupeKey' THEN 'must be one line of 1 to 400 characters'
    WHEN 'dedupeWindowSeconds' THEN 'must be a number from 1 to 3155760000, beside a dedupeKey'
    WHEN 'sendAt' THEN 'must be a time such as 2030-01-31T12:00:00Z, without a delay beside it'
    WHEN 'delaySeconds' THEN 'must be a number from 0 to 3155760000'
    WHEN 'expiresAt' THEN 'must be a time such as 2030-01-31T12:00:00Z, after sendAt and without a time to live beside it'
    WHEN 'ttlSeconds' THEN 'must be a number from 1 to 3155760000'
    WHEN 'priority' THEN 'must be a whole number from -1000 to 1000'
    WHEN 'tenant' THEN 'must be one line of 1 to 200 characters'
    WHEN 'groupKey' THEN 'must be one line of 1 to 500 characters'
    WHEN 'unsubscribeUrl' THEN 'must be an https URL of 2000 characters at most'
    WHEN 'createdBy' THEN 'must be one line of 1 to 200 characters'
    WHEN 'attachments' THEN 'must be an array of 10 at most, each {"name": "...", "contentType": "type/subtype", "content": "base64"}'
    WHEN 'traceContext' THEN 'must be an object of strings'
  END
$$;
--> statement-breakpoint
-- The first option that breaks its rule. One expression over all of them costs a few microseconds, a query over the
-- members ten times that. JSON null stands for an option that is not given.
CREATE OR REPLACE FUNCTION herald.wrong_option(o jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT CASE
    WHEN jsonb_typeof(o -> 'template') IS DISTINCT FROM 'string' THEN 'template'
    WHEN coalesce(jsonb_typeof(o -> 'to') NOT IN ('object', 'array'), true) THEN 'to'
    WHEN o ? 'labels' AND NOT herald.are_strings(o -> 'labels') THEN 'labels'
    WHEN o ? 'secrets' AND NOT herald.are_strings(o -> 'secrets') THEN 'secrets'
    WHEN o ? 'actions' AND NOT herald.are_actions(o -> 'actions') THEN 'actions'
    WHEN o ? 'targets' AND NOT herald.are_lines(o -> 'targets', 0, 100, 200) THEN 'targets'
    WHEN o ? 'methods' AND NOT herald.are_lines(o -> 'methods', 1, 10, 50) THEN 'methods'
    WHEN o ? 'dedupeKey' AND NOT herald.is_line(o -> 'dedupeKey', 400) THEN 'dedupeKey'
    WHEN o ? 'dedupeWindowSeconds' AND NOT (herald.is_number(o -> 'dedupeWindowSeconds', 1, 3155760000) AND o ? 'dedupeKey') THEN 'dedupeWindowSeconds'
    WHEN o ? 'sendAt' AND NOT (herald.is_time(o -> 'sendAt') AND NOT o ? 'delaySeconds') THEN 'sendAt'
    WHEN o ? 'delaySeconds' AND NOT herald.is_number(o -> 'delaySeconds', 0, 3155760000) THEN 'delaySeconds'
    WHEN o ? 'expiresAt' AND NOT (herald.is_time(o -> 'expiresAt') AND NOT o ? 'ttlSeconds') THEN 'expiresAt'
    WHEN o ? 'ttlSeconds' AND NOT herald.is_number(o -> 'ttlSeconds', 1, 3155760000) THEN 'ttlSeconds'
    WHEN o ? 'priority' AND NOT (herald.is_number(o -> 'priority', -1000, 1000) AND mod((o ->> 'priority')::numeric, 1) = 0) THEN 'priority'
    WHEN o ? 'tenant' AND NOT herald.is_line(o -> 'tenant', 200) THEN 'tenant'
    WHEN o ? 'groupKey' AND NOT herald.is_line(o -> 'groupKey', 500) THEN 'groupKey'
    WHEN o ? 'unsubscribeUrl' AND NOT herald.is_url(o -> 'unsubscribeUrl', 'https://') THEN 'unsubscribeUrl'
    WHEN o ? 'createdBy' AND NOT herald.is_line(o -> 'createdBy', 200) THEN 'createdBy'
    WHEN o ? 'invalidAddress' AND o ->> 'invalidAddress' NOT IN ('reject', 'inhibit') THEN 'invalidAddress'
    WHEN o ? 'attachments' AND (jsonb_typeof(o -> 'attachments') <> 'array' OR jsonb_array_length(o -> 'attachments') > 10) THEN 'attachments'
    WHEN o ? 'traceContext' AND NOT herald.are_strings(o -> 'traceContext') THEN 'traceContext'
  END
$$;
--> statement-breakpoint
-- Checks what needs no table, before anything is written, and answers with the options alone: without the recipients,
-- and without those that are null.
CREATE OR REPLACE FUNCTION herald.options_of(notification jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  known CONSTANT text[] := ARRAY['template', 'to', 'labels', 'secrets', 'data', 'actions', 'targets', 'methods', 'dedupeKey',
    'dedupeWindowSeconds', 'sendAt', 'delaySeconds', 'expiresAt', 'ttlSeconds', 'priority', 'tenant', 'groupKey',
    'unsubscribeUrl', 'createdBy', 'traceContext', 'invalidAddress', 'attachments'];
  wrong text;
BEGIN
  IF jsonb_typeof(notification) IS DISTINCT FROM 'object' THEN
    PERFORM herald.reject('HE006', '', 'the notification must be a JSON object', 'Pass {"template": "...", "to": {...}, "labels": {...}}.');
  ELSIF notification - known <> '{}' THEN
    wrong := (SELECT k FROM jsonb_object_keys(notification - known) AS k LIMIT 1);
    PERFORM herald.reject('HE006', wrong, format('unknown option "%s"', wrong), format('Known options: %s.', array_to_string(known, ', ')));
  ELSIF notification @? 'strict $.* ? (@ == null)' THEN
    notification := (SELECT jsonb_object_agg(o.key, o.value) FROM jsonb_each(notification) AS o WHERE o.value <> 'null');
  END IF;
  wrong := herald.wrong_option(notification);
  IF wrong IN ('labels', 'secrets') AND jsonb_typeof(notification -> wrong) = 'object' THEN
    wrong := wrong || '.' || (SELECT l.key FROM jsonb_each(notification -> wrong) AS l WHERE jsonb_typeof(l.value) <> 'string' LIMIT 1);
    PERFORM herald.reject('HE002', wrong, format('%s is not a string', wrong), 'Labels are flat strings; pass other values as data.');
  ELSIF wrong IS NOT NULL THEN
    PERFORM herald.reject(CASE wrong WHEN 'template' THEN 'HE001' WHEN 'labels' THEN 'HE002' WHEN 'secrets' THEN 'HE002' WHEN 'to' THEN 'HE003'
      WHEN 'methods' THEN 'HE004' ELSE 'HE006' END, wrong, format('%s is wrong', wrong), format('It %s.', herald.rule_of(wrong)));
  ELSIF jsonb_typeof(notification -> 'to') = 'array' AND jsonb_array_length(notification -> 'to') > 100000 THEN
    PERFORM herald.reject('HE003', 'to', format('%s recipients, the limit of one call is 100000', jsonb_array_length(notification -> 'to')),
      'Enqueue in several calls.');
  END IF;
  IF notification ? 'attachments' THEN
    IF herald.wrong_attachment(notification -> 'attachments') IS NOT NULL THEN
      wrong := format('attachments[%s]', herald.wrong_attachment(notification -> 'attachments'));
      PERFORM herald.reject('HE006', wrong, format('%s is wrong', wrong),
        'Each has a name without slashes, a contentType such as application/pdf and its content as base64.');
    ELSIF octet_length(notification ->> 'attachments') > 14000000 THEN
      PERFORM herald.reject('HE005', 'attachments', 'the attachments are larger than 10 MB together', 'Store large files elsewhere and pass a link.');
    END IF;
  END IF;
  notification := notification - 'to' - 'attachments';
  IF octet_length(notification::text) > 262144 THEN
    PERFORM herald.reject('HE005', '', format('the notification is %s bytes without its recipients, the limit is 262144', octet_length(notification::text)),
      'Store large content elsewhere and pass a link.');
  END IF;
  RETURN notification;
END
$$;
--> statement-breakpoint
-- The endpoints that a message of one method goes to: the recipient's own, else the tenant's, else those of nobody in
-- particular. One that does not want the template's group, or is switched off, comes along, so that a row can say why nothing was sent;
-- if others of the same owner want it, those that do not are left out.
CREATE FUNCTION herald.endpoints_of(recipient_id text, tenant text, template_group text, method text)
RETURNS TABLE (id uuid, number bigint, enabled boolean, subscribed boolean)
LANGUAGE sql STABLE
AS $$
  SELECT o.id, row_number() OVER (ORDER BY o.created_at, o.id) - 1, o.enabled, o.subscribed
  FROM (
    SELECT e.id, e.created_at, e.disabled_at IS NULL AS enabled, e.groups = '{}' OR $3 = ANY (e.groups) AS subscribed,
      rank() OVER (ORDER BY e.recipient_id IS NULL, e.tenant IS NULL) AS owner,
      bool_or(e.groups = '{}' OR $3 = ANY (e.groups)) OVER (PARTITION BY e.recipient_id IS NULL, e.tenant IS NULL) AS any_subscribed
    FROM herald.endpoint e
    WHERE e.method = $4 AND (e.recipient_id = $1 OR e.recipient_id IS NULL AND (e.tenant = $2 OR e.tenant IS NULL))
  ) o
  WHERE o.owner = 1 AND (o.subscribed OR NOT o.any_subscribed)
  ORDER BY o.created_at, o.id LIMIT 1000
$$;
--> statement-breakpoint
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
  SELECT array_agg(m.name) FILTER (WHERE m.notify), fields || array_agg(m.requires) FILTER (WHERE m.requires <> ALL (fields)), count(*)
    INTO listening, fields, written
    FROM herald.method m WHERE m.name = ANY (chosen) AND m.name <> '*';
  IF written < cardinality(chosen) THEN
    missing := (SELECT c FROM unnest(chosen) AS c WHERE NOT EXISTS (SELECT FROM herald.method m WHERE m.name = c AND m.name <> '*') LIMIT 1);
  END IF;
  IF missing IS NOT NULL THEN
    PERFORM herald.reject('HE004', 'methods', format('unknown method "%s"', left(missing, 200)),
      'Known methods are the rows of herald.method; add one with "pg-herald migrate --method NAME".');
  END IF;

  has_endpoints := EXISTS (SELECT FROM herald.endpoint e WHERE e.method = ANY (chosen));
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

  RETURN QUERY
  WITH written AS (
    INSERT INTO herald.message AS w (id, notification_id, template, template_version, method, ordinal, status, reason, recipient_id,
      recipient, labels, secrets, data, actions, targets, tenant, group_key, unsubscribe_url, dedupe_key, dedupe_slot, priority, send_at, endpoint_id, attachments,
      expires_at, next_attempt_at, max_attempts, unknown, created_by, trace_context, created_at, settled_at, dedupe_scope)
    SELECT (id_head || to_hex(id_tail + (s.position * 16 + s.ordinal) * 16384 + s.number))::uuid, n, t.name, t.current_version, s.method, s.ordinal,
      CASE WHEN s.reason IS NULL THEN 'pending' WHEN s.reason = 'expired' THEN 'expired' ELSE 'inhibited' END, s.reason, s.id,
      CASE WHEN s.snapshot @? 'strict $.* ? (@ == "" || @.type() == "number")' THEN herald.tidy_recipient(s.snapshot) ELSE s.snapshot END,
      open_labels, CASE WHEN s.reason IS NULL THEN nullif(hidden_labels, '{}') END, t.data, t.actions, coalesce(t.targets, '{}'), t.tenant, t."groupKey",
      t."unsubscribeUrl", t."dedupeKey", dedupe_window, coalesce(t.priority, 0), send_at, s.endpoint, files, expires_at, start_at, t.max_attempts, t.unknown,
      coalesce(t."createdBy", session_user), t."traceContext", now(), CASE WHEN s.reason IS NOT NULL THEN now() END,
      CASE WHEN t."dedupeKey" IS NOT NULL THEN s.scope END
    FROM (
      -- Sorted by recipient, so that two calls with one dedupe key wait for each other instead of deadlocking. Of a
      -- recipient that is given twice the first counts; of a fallback's methods the first that nothing speaks against.
      SELECT DISTINCT ON (k.id COLLATE "C", k.scope COLLATE "C") k.id, k.snapshot, k.position, k.method, k.ordinal, k.scope, k.reason, k.endpoint, k.number
      FROM (
        SELECT r.id, r.snapshot, r.position, c.name AS method, c.ordinal, CASE WHEN t.fallback = 'first' THEN '*' WHEN ep.id IS NULL THEN c.name ELSE c.name || ':' || ep.id END AS scope,
          ep.id AS endpoint, coalesce(ep.number, 0) AS number, CASE
            WHEN expires_at <= now() THEN 'expired'
            WHEN NOT t.enabled THEN 'template_disabled'
            WHEN NOT m.enabled THEN 'method_disabled'
            WHEN m.requires IS NOT NULL AND coalesce(r.snapshot ->> m.requires, '') = '' THEN 'no_address'
            WHEN lenient AND m.requires = 'email' AND NOT herald.is_address(r.snapshot ->> 'email') THEN 'invalid_address'
            WHEN u.address IS NOT NULL THEN 'suppressed'
            WHEN NOT ep.enabled THEN 'endpoint_disabled'
            WHEN NOT ep.subscribed THEN 'not_subscribed'
            WHEN t.mandatory OR p.enabled THEN NULL
            WHEN NOT p.enabled THEN 'preference'
            WHEN NOT t.enabled_by_default THEN 'default_off'
          END AS reason
        FROM (
          SELECT e.value ->> 'id' AS id, e.value AS snapshot, e.position
          FROM jsonb_array_elements(recipients) WITH ORDINALITY AS e (value, position)
          WHERE herald.is_recipient(e.value, fields)
              AND (lenient OR coalesce(e.value ->> 'email', '') = '' OR herald.is_address(e.value ->> 'email'))
            OR herald.reject_recipient(e.value, fields, format(place, e.position - 1))
        ) r
        CROSS JOIN unnest(chosen) WITH ORDINALITY AS c (name, ordinal)
        JOIN herald.method m ON m.name = c.name
        LEFT JOIN herald.suppression u ON u.method = m.name AND u.address = lower(r.snapshot ->> m.requires) AND u.suppressed_at IS NOT NULL
        LEFT JOIN LATERAL herald.choice_of(r.id, t.name, t."group", m.name) p ON true
        LEFT JOIN LATERAL herald.endpoints_of(r.id, t.tenant, t."group", m.name) ep ON has_endpoints
      ) k
      ORDER BY k.id COLLATE "C", k.scope COLLATE "C", k.position, k.reason IS NOT NULL, k.ordinal, k.number
    ) s
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
--> statement-breakpoint
-- One more argument: replacing would leave two functions that a call could mean.
DROP FUNCTION herald.enqueue(text, jsonb, jsonb, jsonb, jsonb, text[], text[], text, interval, timestamptz, interval, timestamptz, interval, integer, text, text, text, text, text);
--> statement-breakpoint
-- The same with named arguments, for triggers, pg_cron, psql and other languages:
--   SELECT * FROM herald.enqueue('workspace-deleted', '{"id": "42", "email": "ada@example.com"}', labels => '{"workspace": "w"}');
CREATE FUNCTION herald.enqueue(
  template text,
  recipients jsonb,
  labels jsonb DEFAULT NULL,
  data jsonb DEFAULT NULL,
  actions jsonb DEFAULT NULL,
  targets text[] DEFAULT NULL,
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
  created_by text DEFAULT NULL,
  invalid_address text DEFAULT NULL,
  attachments jsonb DEFAULT NULL)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE sql VOLATILE
AS $$
  SELECT * FROM herald.enqueue(jsonb_build_object(
    'template', $1, 'to', $2, 'labels', $3, 'data', $4, 'actions', $5, 'targets', to_jsonb($6), 'methods', to_jsonb($7),
    'dedupeKey', $8, 'dedupeWindowSeconds', extract(epoch FROM $9), 'sendAt', $10, 'delaySeconds', extract(epoch FROM $11),
    'expiresAt', $12, 'ttlSeconds', extract(epoch FROM $13), 'priority', $14, 'tenant', $15, 'groupKey', $16,
    'unsubscribeUrl', $17, 'createdBy', $18, 'invalidAddress', $19, 'attachments', $20))
$$;
--> statement-breakpoint
-- Writes the jobs that unsettled messages lack, brings those forward that wait longer than their message, and wakes the workers.
CREATE OR REPLACE FUNCTION herald.wake(message_ids uuid[]) RETURNS bigint
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
  ON CONFLICT (name, id) DO UPDATE SET start_after = EXCLUDED.start_after
  WHERE job.state < 'active' AND job.start_after > EXCLUDED.start_after;
  GET DIAGNOSTICS woken = ROW_COUNT;
  PERFORM pg_notify('herald', m.method) FROM herald.message m WHERE m.id = ANY (message_ids) GROUP BY m.method;
  RETURN woken;
END
$$;
--> statement-breakpoint
-- Makes messages of these states pending again. Runs with the caller's rights: herald.retry and herald.replay lend theirs.
CREATE FUNCTION herald.reopen(message_ids uuid[], states text[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  UPDATE herald.message m
  SET status = 'pending', reason = NULL, detail = NULL, charged = 0, next_attempt_at = now(), settled_at = NULL, send_at = NULL,
    expires_at = CASE WHEN m.expires_at <= now() THEN NULL ELSE m.expires_at END
  FROM herald.template_version v
  WHERE m.id = ANY (message_ids) AND m.status = ANY (states)
    AND v.template = m.template AND v.version = m.template_version
    AND (cardinality(v.secrets) = 0 OR m.secrets IS NOT NULL);
  PERFORM herald.wake(message_ids);
  RETURN QUERY
  SELECT m.id, m.status = 'pending' AND m.next_attempt_at = now(), m.status FROM herald.message m WHERE m.id = ANY (message_ids);
END
$$;
--> statement-breakpoint
-- Delivers again, or for the first time, what failed, expired, was inhibited or is held. Attempts so far stay on record
-- but no longer count against the limit. A message whose secret labels were wiped cannot be rendered again and stays.
CREATE OR REPLACE FUNCTION herald.retry(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM herald.reopen($1, '{failed,held,expired,inhibited}')
$$;
--> statement-breakpoint
-- The same, and what was sent as well: a receiver that lost what it had accepted asks for it again. Same id, so that one
-- that did not lose it can tell.
CREATE FUNCTION herald.replay(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM herald.reopen($1, '{sent,failed,held,expired,inhibited}')
$$;
--> statement-breakpoint
-- Rows change once while they are sent and once when they settle: room on the page keeps the first change out of the indexes, and
-- vacuum comes after thousands of changes rather than after a fifth of a large table.
ALTER TABLE herald.message SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 5000);
--> statement-breakpoint
ALTER TABLE herald.method SET (fillfactor = 50);
--> statement-breakpoint
ALTER TABLE herald.endpoint SET (fillfactor = 50);
--> statement-breakpoint
ALTER TABLE herald.rate_bucket SET (fillfactor = 50);
