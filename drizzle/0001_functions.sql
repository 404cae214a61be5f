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
-- What a recipient wants: one row, or none. The most specific choice decides: template before group before all, then a
-- named method before '*'. The words sort that way backwards, so the primary key answers without a sort. The planner
-- inlines this function where it stands after LATERAL; STRICT, SET or SECURITY DEFINER would prevent that.
CREATE FUNCTION herald.choice_of(recipient_id text, template text, template_group text, method text) RETURNS TABLE (enabled boolean)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT p.enabled
  FROM herald.preference p
  WHERE p.recipient_id = $1
    AND p.method IN ($4, '*')
    AND ((p.scope = 'template' AND p.subject = $2) OR (p.scope = 'group' AND p.subject = $3) OR p.scope = 'all')
  ORDER BY p.scope DESC, p.subject DESC, p.method DESC
  LIMIT 1
$$;
--> statement-breakpoint
-- The same as a value: true, false, or null without a row.
CREATE FUNCTION herald.preference_of(recipient_id text, template text, template_group text, method text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT c.enabled FROM herald.choice_of($1, $2, $3, $4) AS c
$$;
--> statement-breakpoint
-- Raises an error about the input. The codes: HE001 template, HE002 labels, HE003 recipients, HE004 methods, HE005 size,
-- HE006 options. COLUMN carries the path to the wrong value. No message repeats what may be an address or a secret.
CREATE FUNCTION herald.reject(code text, path text, message text, hint text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, COLUMN = path, MESSAGE = format('herald: %s', message), HINT = hint;
END
$$;
--> statement-breakpoint
-- One line of text. A plain expression, like those of the next functions: the planner writes it where the call stands.
CREATE FUNCTION herald.is_line(value jsonb, longest integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT coalesce(jsonb_typeof(value) = 'string' AND length(value #>> '{}') BETWEEN 1 AND longest
    AND (value #>> '{}') COLLATE "C" !~ '[\u0001-\u001f\u007f-\u009f]', false)
$$;
--> statement-breakpoint
CREATE FUNCTION herald.is_number(value jsonb, low numeric, high numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'number' THEN value::numeric BETWEEN low AND high ELSE false END
$$;
--> statement-breakpoint
CREATE FUNCTION herald.is_url(value jsonb, schemes text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT coalesce(jsonb_typeof(value) = 'string' AND length(value #>> '{}') <= 2000
    AND (value #>> '{}') COLLATE "C" ~* ('^(' || schemes || ')[^\u0001-\u0020\u007f-\u00a0"<>\\^`{|}]+$'), false)
$$;
--> statement-breakpoint
CREATE FUNCTION herald.are_strings(members jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT jsonb_typeof(members) = 'object' AND NOT members @? 'strict $.* ? (@.type() != "string")'
$$;
--> statement-breakpoint
CREATE FUNCTION herald.are_lines(elements jsonb, fewest integer, most integer, longest integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  IF jsonb_typeof(elements) <> 'array' OR jsonb_array_length(elements) NOT BETWEEN fewest AND most THEN
    RETURN false;
  END IF;
  FOR i IN 0 .. jsonb_array_length(elements) - 1 LOOP
    IF NOT herald.is_line(elements -> i, longest) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END
$$;
--> statement-breakpoint
CREATE FUNCTION herald.are_actions(elements jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  IF jsonb_typeof(elements) <> 'array' OR jsonb_array_length(elements) > 10 THEN
    RETURN false;
  END IF;
  FOR i IN 0 .. jsonb_array_length(elements) - 1 LOOP
    IF NOT (herald.are_strings(elements -> i) AND herald.is_line(elements -> i -> 'label', 200)
      AND herald.is_url(elements -> i -> 'url', 'https?://|mailto:')) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END
$$;
--> statement-breakpoint
-- A time between the years 1 and 9999. Not IMMUTABLE: text without an offset means the session's time zone.
CREATE FUNCTION herald.is_time(value jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN jsonb_typeof(value) = 'string' AND (value #>> '{}')::timestamptz BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 00:00Z';
EXCEPTION WHEN data_exception THEN
  RETURN false;
END
$$;
--> statement-breakpoint
-- The shape of one plain address, RFC 5321 section 4.1.2 with RFC 6531: no quotes, comments, lists or literals.
CREATE FUNCTION herald.is_address(address text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT octet_length(address) <= 254 AND position('@' IN address) <= 65 AND address !~ '@[0-9.]+$'
    AND address COLLATE "C" ~ '^[^\u0001-\u0020\u007f-\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"(),.:;<>@[\\\]]+(\.[^\u0001-\u0020\u007f-\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"(),.:;<>@[\\\]]+)*@[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff](-*[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff]|\.[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff])*$'
$$;
--> statement-breakpoint
-- Whether this is a recipient, but for its address: the fast yes. herald.reject_recipient says what is wrong with the others.
CREATE FUNCTION herald.is_recipient(value jsonb, fields text[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'object' THEN
    value - fields = '{}'
    AND pg_column_size(value) <= 4096
    AND NOT value @? 'strict $.* ? (@.type() != "string" && @.type() != "number" || @ like_regex "[\\u0001-\\u001f\\u007f-\\u009f]")'
    AND coalesce(length(value ->> 'id') BETWEEN 1 AND 200, false)
    AND coalesce(length(value ->> 'name') <= 200, true)
    AND coalesce(length(value ->> 'locale') <= 35, true)
    AND coalesce(length(value ->> 'timeZone') <= 64, true)
  ELSE false END
$$;
--> statement-breakpoint
CREATE FUNCTION herald.reject_recipient(value jsonb, fields text[], path text) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  stray CONSTANT text := (SELECT f FROM jsonb_object_keys(CASE jsonb_typeof(value) WHEN 'object' THEN value - fields ELSE '{}' END) AS f LIMIT 1);
  wrong CONSTANT text := CASE
    WHEN jsonb_typeof(value) <> 'object' OR pg_column_size(value) > 4096 THEN NULL
    WHEN stray IS NOT NULL THEN stray
    WHEN NOT coalesce(jsonb_typeof(value -> 'id') = 'number' OR herald.is_line(value -> 'id', 200), false) THEN 'id'
    WHEN length(value ->> 'name') > 200 THEN 'name'
    WHEN length(value ->> 'locale') > 35 THEN 'locale'
    WHEN length(value ->> 'timeZone') > 64 THEN 'timeZone'
    ELSE coalesce((SELECT f.key FROM jsonb_each(value) AS f WHERE NOT (jsonb_typeof(f.value) = 'number' OR f.value = '""' OR herald.is_line(f.value, 4096)) LIMIT 1), 'email') END;
BEGIN
  RETURN herald.reject('HE003', concat_ws('.', path, wrong), concat_ws('.', path, wrong) || CASE
      WHEN jsonb_typeof(value) <> 'object' THEN ' must be an object'
      WHEN wrong IS NULL THEN ' is larger than 4096 bytes'
      WHEN wrong = stray THEN ' is no known field'
      WHEN wrong IN ('id', 'name') THEN ' must be one line of 200 characters at most'
      WHEN wrong = 'locale' THEN ' must be a language tag of 35 characters at most'
      WHEN wrong = 'timeZone' THEN ' must be a time zone of 64 characters at most'
      WHEN wrong = 'email' THEN ' must be one plain address such as name@example.com'
      ELSE ' must be one line of text' END,
    format('A recipient has an id and, as far as they are known, %s.', array_to_string(array_remove(fields, 'id'), ', ')));
END
$$;
--> statement-breakpoint
-- A recipient without empty fields and with numbers as text.
CREATE FUNCTION herald.tidy_recipient(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT jsonb_object_agg(f.key, f.value) FROM jsonb_each_text(value) AS f WHERE f.value <> ''
$$;
--> statement-breakpoint
-- What an option must be; null for one that does not exist.
CREATE FUNCTION herald.rule_of(option text) RETURNS text
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
    WHEN 'traceContext' THEN 'must be an object of strings'
  END
$$;
--> statement-breakpoint
-- The first option that breaks its rule. One expression over all of them costs a few microseconds, a query over the
-- members ten times that. JSON null stands for an option that is not given.
CREATE FUNCTION herald.wrong_option(o jsonb) RETURNS text
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
    WHEN o ? 'traceContext' AND NOT herald.are_strings(o -> 'traceContext') THEN 'traceContext'
  END
$$;
--> statement-breakpoint
-- Checks what needs no table, before anything is written, and answers with the options alone: without the recipients,
-- and without those that are null.
CREATE FUNCTION herald.options_of(notification jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  known CONSTANT text[] := ARRAY['template', 'to', 'labels', 'secrets', 'data', 'actions', 'targets', 'methods', 'dedupeKey',
    'dedupeWindowSeconds', 'sendAt', 'delaySeconds', 'expiresAt', 'ttlSeconds', 'priority', 'tenant', 'groupKey',
    'unsubscribeUrl', 'createdBy', 'traceContext', 'invalidAddress'];
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
  notification := notification - 'to';
  IF octet_length(notification::text) > 262144 THEN
    PERFORM herald.reject('HE005', '', format('the notification is %s bytes without its recipients, the limit is 262144', octet_length(notification::text)),
      'Store large content elsewhere and pass a link.');
  END IF;
  RETURN notification;
END
$$;
--> statement-breakpoint
-- Writes the messages of one notification and their jobs, in the caller's transaction. One row comes back per message: the
-- written ones in the order of recipients and methods, then those that stood already under the dedupe key.
-- SECURITY DEFINER, so that an application role needs no right but to use the schema; the empty search_path keeps a caller
-- from slipping in objects of its own. Generic plans, because planning costs more than running.
CREATE FUNCTION herald.enqueue(notification jsonb)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  n CONSTANT uuid := herald.uuid_v7();
  -- Ids of messages: the notification's with another end, counting up from a random number, in the order of the input.
  id_head CONSTANT text := left(n::text, 28);
  id_tail CONSTANT bigint := 2147483648 + (('x' || right(n::text, 8))::bit(32)::bigint & 1073741823);
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
      recipient, labels, secrets, data, actions, targets, tenant, group_key, unsubscribe_url, dedupe_key, dedupe_slot, priority, send_at,
      expires_at, next_attempt_at, max_attempts, unknown, created_by, trace_context, created_at, settled_at, dedupe_scope)
    SELECT (id_head || to_hex(id_tail + s.position * 16 + s.ordinal))::uuid, n, t.name, t.current_version, s.method, s.ordinal,
      CASE WHEN s.reason IS NULL THEN 'pending' WHEN s.reason = 'expired' THEN 'expired' ELSE 'inhibited' END, s.reason, s.id,
      CASE WHEN s.snapshot @? 'strict $.* ? (@ == "" || @.type() == "number")' THEN herald.tidy_recipient(s.snapshot) ELSE s.snapshot END,
      open_labels, CASE WHEN s.reason IS NULL THEN nullif(hidden_labels, '{}') END, t.data, t.actions, coalesce(t.targets, '{}'), t.tenant, t."groupKey",
      t."unsubscribeUrl", t."dedupeKey", dedupe_window, coalesce(t.priority, 0), send_at, expires_at, start_at, t.max_attempts, t.unknown,
      coalesce(t."createdBy", session_user), t."traceContext", now(), CASE WHEN s.reason IS NOT NULL THEN now() END,
      CASE WHEN t."dedupeKey" IS NOT NULL THEN s.scope END
    FROM (
      -- Sorted by recipient, so that two calls with one dedupe key wait for each other instead of deadlocking. Of a
      -- recipient that is given twice the first counts; of a fallback's methods the first that nothing speaks against.
      SELECT DISTINCT ON (k.id COLLATE "C", k.scope COLLATE "C") k.id, k.snapshot, k.position, k.method, k.ordinal, k.scope, k.reason
      FROM (
        SELECT r.id, r.snapshot, r.position, c.name AS method, c.ordinal, CASE t.fallback WHEN 'first' THEN '*' ELSE c.name END AS scope, CASE
            WHEN expires_at <= now() THEN 'expired'
            WHEN NOT t.enabled THEN 'template_disabled'
            WHEN NOT m.enabled THEN 'method_disabled'
            WHEN m.requires IS NOT NULL AND coalesce(r.snapshot ->> m.requires, '') = '' THEN 'no_address'
            WHEN lenient AND m.requires = 'email' AND NOT herald.is_address(r.snapshot ->> 'email') THEN 'invalid_address'
            WHEN u.address IS NOT NULL THEN 'suppressed'
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
      ) k
      ORDER BY k.id COLLATE "C", k.scope COLLATE "C", k.position, k.reason IS NOT NULL, k.ordinal
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

  IF t."dedupeKey" IS NOT NULL AND written < jsonb_array_length(recipients) * (CASE t.fallback WHEN 'first' THEN 1 ELSE cardinality(chosen) END) THEN
    RETURN QUERY
    SELECT m.id, m.recipient_id, m.method, m.status, m.reason, true
    FROM (SELECT e.value ->> 'id' AS id, min(e.position) AS position
      FROM jsonb_array_elements(recipients) WITH ORDINALITY AS e (value, position) GROUP BY 1) r
    JOIN herald.message m ON m.recipient_id = r.id
    WHERE m.dedupe_key = t."dedupeKey" AND m.dedupe_slot = dedupe_window AND m.notification_id <> n
      AND m.dedupe_scope = ANY (CASE t.fallback WHEN 'first' THEN '{*}' ELSE chosen END)
    ORDER BY r.position, array_position(chosen, m.method);
  END IF;
  IF start_at <= now() AND written > 0 AND listening IS NOT NULL THEN
    PERFORM pg_notify('herald', l) FROM unnest(listening) AS l;
  END IF;
END
$$;
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
  invalid_address text DEFAULT NULL)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE sql VOLATILE
AS $$
  SELECT * FROM herald.enqueue(jsonb_build_object(
    'template', $1, 'to', $2, 'labels', $3, 'data', $4, 'actions', $5, 'targets', to_jsonb($6), 'methods', to_jsonb($7),
    'dedupeKey', $8, 'dedupeWindowSeconds', extract(epoch FROM $9), 'sendAt', $10, 'delaySeconds', extract(epoch FROM $11),
    'expiresAt', $12, 'ttlSeconds', extract(epoch FROM $13), 'priority', $14, 'tenant', $15, 'groupKey', $16,
    'unsubscribeUrl', $17, 'createdBy', $18, 'invalidAddress', $19))
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
-- it right now) or already_settled. The row lock decides between us and a worker that begins at the same moment. Jobs that
-- nobody has leased go too: one may be scheduled for next year.
CREATE FUNCTION herald.cancel(message_ids uuid[] DEFAULT NULL, dedupe_key text DEFAULT NULL, target text DEFAULT NULL)
RETURNS TABLE (message_id uuid, answer text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  ids uuid[] := $1;
BEGIN
  IF num_nonnulls($1, $2, $3) <> 1 THEN
    PERFORM herald.reject('HE006', '', 'cancel takes exactly one of message_ids, dedupe_key and target', 'Name the argument, for example target => ''42''.');
  ELSIF $2 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.dedupe_key = $2);
  ELSIF $3 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.targets @> ARRAY[$3] AND m.targets <> '{}');
  END IF;
  RETURN QUERY
  WITH locked AS (
    SELECT m.id, m.method, m.status FROM herald.message m WHERE m.id = ANY (ids) ORDER BY m.id FOR UPDATE
  ), stopped AS (
    UPDATE herald.message m
    SET status = 'cancelled', reason = 'cancelled', settled_at = now(), secrets = NULL
    FROM locked l
    WHERE m.id = l.id AND l.status IN ('pending', 'held')
    RETURNING m.id, m.method
  ), job AS (
    DELETE FROM herald_queue.job j USING stopped s WHERE j.name = s.method AND j.id = s.id AND j.state < 'active'
  )
  SELECT l.id, CASE WHEN l.status IN ('pending', 'held') THEN 'cancelled' WHEN l.status = 'sending' THEN 'in_flight' ELSE 'already_settled' END
  FROM locked l
  ORDER BY l.id;
END
$$;
--> statement-breakpoint
-- Sets a preference, or removes it where enabled is null. Scope: template, group or all (subject '').
CREATE FUNCTION herald.set_preference(recipient_id text, scope text, subject text, enabled boolean, method text DEFAULT '*') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  mandatory boolean;
BEGIN
  IF NOT coalesce(herald.is_line(to_jsonb($1), 200), false) THEN
    PERFORM herald.reject('HE003', 'recipient_id', 'recipient_id must be one line of 1 to 200 characters', 'Pass the id that notifications are addressed to.');
  ELSIF $2 IS NULL OR $2 NOT IN ('template', 'group', 'all') OR ($2 = 'all') <> (coalesce($3, '') = '') THEN
    PERFORM herald.reject('HE006', 'scope', 'scope must be template or group, with its name as subject, or all with an empty one',
      'For example: ''template'', ''workspace-deleted''.');
  END IF;
  IF $4 IS NULL THEN
    DELETE FROM herald.preference p WHERE p.recipient_id = $1 AND p.scope = $2 AND p.subject = coalesce($3, '') AND p.method = $5;
    RETURN;
  END IF;
  mandatory := (SELECT bool_and(t.mandatory) FROM herald.template t WHERE $3 = CASE $2 WHEN 'template' THEN t.name ELSE t."group" END);
  IF $2 <> 'all' AND mandatory IS NULL THEN
    PERFORM herald.reject('HE001', 'subject', format('unknown %s "%s"', $2, left($3, 200)), 'See "pg-herald templates list".');
  ELSIF $2 = 'template' AND NOT $4 AND mandatory THEN
    PERFORM herald.reject('HE006', 'subject', format('template "%s" is mandatory and cannot be switched off', $3), 'Leave it on, or drop "mandatory" from its header.');
  ELSIF $5 IS DISTINCT FROM '*' AND NOT EXISTS (SELECT FROM herald.method m WHERE m.name = $5) THEN
    PERFORM herald.reject('HE004', 'method', format('unknown method "%s"', left($5, 200)), 'Methods are the rows of herald.method; ''*'' means all of them.');
  END IF;
  INSERT INTO herald.preference AS p (recipient_id, scope, subject, method, enabled) VALUES ($1, $2, coalesce($3, ''), $5, $4)
  ON CONFLICT ON CONSTRAINT preference_recipient_id_scope_subject_method_pk DO UPDATE SET enabled = EXCLUDED.enabled, updated_at = now();
END
$$;
--> statement-breakpoint
-- What a recipient gets at present: a row per template and method. decided_by says which rule decided.
CREATE FUNCTION herald.preferences(recipient_id text)
RETURNS TABLE (template text, template_group text, method text, enabled boolean, mandatory boolean, decided_by text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.name, t."group", m.name,
    t.enabled AND m.enabled AND (t.mandatory OR coalesce(c.enabled, t.enabled_by_default)),
    t.mandatory, CASE
      WHEN NOT t.enabled THEN 'template_disabled'
      WHEN NOT m.enabled THEN 'method_disabled'
      WHEN t.mandatory THEN 'mandatory'
      WHEN c.enabled IS NOT NULL THEN 'preference'
      ELSE 'default' END
  FROM herald.template t
  JOIN herald.method m ON m.name = ANY (coalesce(t.methods_override, t.methods,
    (SELECT ARRAY(SELECT jsonb_array_elements_text(s.value)) FROM herald.setting s WHERE s.key = 'methods'), ARRAY['smtp']))
  LEFT JOIN LATERAL herald.choice_of($1, t.name, t."group", m.name) AS c ON true
  ORDER BY t."group", t.name, m.name
$$;
