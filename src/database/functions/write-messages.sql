-- Writes one message of a notification, and its job, and returns it; nulls if its dedupe key, window, recipient and
-- scope are those of an earlier enqueue. An inbox message that is not scheduled is settled at once: its item is written
-- instead of a job, so that its reader has it as soon as the transaction commits. For the usual call, with one message
-- and no endpoints: without the sort and the joins that several messages need, this takes about half of the processor
-- time. ON CONFLICT names no index: a table that was partitioned has another one (docs/scaling.md).
CREATE OR REPLACE FUNCTION herald.write_message(notification_id uuid, options jsonb, template herald.template,
  secrets jsonb, attachments integer, send_at timestamptz, start_at timestamptz, expires_at timestamptz,
  recipient jsonb, own_method text, ordinal integer,
  OUT message_id uuid, OUT recipient_id text, OUT method text, OUT status text, OUT reason text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  job_priority smallint;
  job_start timestamptz;
BEGIN
  INSERT INTO herald.message AS m (id, notification_id, template, template_version, method, ordinal, status, reason,
    recipient_id, address, recipient, secrets, targets, tenant, group_key, unsubscribe_url,
    dedupe_key, dedupe_slot, dedupe_scope, priority, step, unless, send_at, quiet, quiet_until, endpoint_id,
    attachments, expires_at, next_attempt_at, max_attempts, unknown, created_by, created_at, settled_at)
  SELECT r.*
  FROM herald.judge_recipient($9, own_method, template, $8 <= now()) j,
  LATERAL herald.message_row($1, options, template, $4, $5, $6, $7, $8, $9, j.address, 1, own_method, $11,
    CASE template.fallback WHEN 'first' THEN '*' ELSE own_method END, NULL, 0, j.reason) r
  ON CONFLICT DO NOTHING
  RETURNING m.id, m.recipient_id, m.method, m.status, m.reason, m.priority, m.next_attempt_at
    INTO message_id, recipient_id, method, status, reason, job_priority, job_start;
  IF status = 'pending' THEN
    PERFORM herald.insert_jobs(ARRAY[message_id], ARRAY[own_method], ARRAY[job_priority], ARRAY[job_start]);
  ELSIF status = 'sent' THEN
    INSERT INTO herald.inbox (message_id, recipient_id, tenant) VALUES (message_id, recipient_id, options ->> 'tenant');
  END IF;
END
$$;

-- Writes the messages of a notification as herald.write_message does, and returns them in no order.
-- drops: herald.write_messages(uuid, jsonb, herald.template, jsonb, integer, jsonb, text[], text[], boolean)
CREATE OR REPLACE FUNCTION herald.write_messages(notification_id uuid, options jsonb, template herald.template,
  secrets jsonb, attachments integer, send_at timestamptz, start_at timestamptz, expires_at timestamptz,
  recipients jsonb, methods text[], has_endpoints boolean)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  has_items CONSTANT boolean := 'inbox' = ANY (methods) AND $7 <= now();
  n integer;
BEGIN
  -- Also fast: a message to the inbox beside one by another method.
  IF has_items AND cardinality(methods) = 2 AND methods[1] <> methods[2] AND jsonb_array_length(recipients) = 1
      AND NOT has_endpoints AND template.fallback <> 'first' AND NOT options ? 'step' THEN
    FOR turn IN 1 .. 2 LOOP
      -- In the order in which the other INSERT writes, so that two calls with one dedupe key wait for each other.
      n := CASE WHEN methods[1] > methods[2] COLLATE "C" THEN 3 - turn ELSE turn END;
      RETURN QUERY SELECT w.*
        FROM herald.write_message($1, options, template, $4, $5, $6, $7, $8, recipients -> 0, methods[n], n) w
        WHERE w.message_id IS NOT NULL;
    END LOOP;
    RETURN;
  END IF;
  RETURN QUERY
  WITH written AS (
    INSERT INTO herald.message AS m (id, notification_id, template, template_version, method, ordinal, status, reason,
      recipient_id, address, recipient, secrets, targets, tenant, group_key, unsubscribe_url,
      dedupe_key, dedupe_slot, dedupe_scope, priority, step, unless, send_at, quiet, quiet_until, endpoint_id,
      attachments, expires_at, next_attempt_at, max_attempts, unknown, created_by, created_at, settled_at)
    SELECT r.*
    FROM herald.judge_recipients(recipients, methods, has_endpoints, template, options ->> 'tenant', $8 <= now()) j,
    LATERAL herald.message_row($1, options, template, $4, $5, $6, $7, $8,
      j.recipient, j.address, j.position, j.method, j.ordinal, j.dedupe_scope, j.endpoint_id, j.endpoint_number,
      j.reason) r
    ON CONFLICT DO NOTHING
    RETURNING m.id, m.recipient_id, m.method, m.status, m.reason, m.priority, m.next_attempt_at
  ), jobs AS (
    SELECT herald.insert_jobs(array_agg(w.id), array_agg(w.method), array_agg(w.priority),
      array_agg(w.next_attempt_at))
    FROM written w WHERE w.status = 'pending'
  ), items AS (
    SELECT CASE WHEN has_items THEN
      herald.insert_items(array_agg(w.id), array_agg(w.recipient_id), options ->> 'tenant') END
    FROM written w WHERE has_items AND w.status = 'sent'
  )
  SELECT w.id, w.recipient_id, w.method, w.status, w.reason FROM written w CROSS JOIN jobs CROSS JOIN items;
END
$$;

-- Wakes the workers of these methods, and the listeners of inboxes, when the transaction commits.
CREATE OR REPLACE FUNCTION herald.wake(methods text[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  FOR i IN 1 .. coalesce(cardinality(methods), 0) LOOP
    IF methods[i] = 'inbox' THEN
      PERFORM pg_notify('herald_inbox', '');
    ELSE
      PERFORM pg_notify('herald', methods[i]);
    END IF;
  END LOOP;
END
$$;

-- Returns the status that a message begins with.
CREATE OR REPLACE FUNCTION herald.first_status(reason text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN reason IS NULL THEN 'pending' WHEN reason = 'expired' THEN 'expired' ELSE 'inhibited' END
$$;

-- Returns the id of one message: the notification's with another end, which counts up from a random number in the order
-- of the input. The messages of a later step follow all those of the step before.
CREATE OR REPLACE FUNCTION herald.message_id(notification_id uuid, "position" bigint, ordinal bigint,
  endpoint_number bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT (left(notification_id::text, 24) || to_hex(140737488355328
    + (('x' || right(notification_id::text, 12))::bit(48)::bigint & 70368744177663)
    + ("position" * 16 + ordinal) * 16384 + endpoint_number))::uuid
$$;

-- Returns the row of a new message. The planner inlines this function after LATERAL.
CREATE OR REPLACE FUNCTION herald.message_row(notification_id uuid, options jsonb, template herald.template,
  secrets jsonb, attachments integer, send_at timestamptz, start_at timestamptz, expires_at timestamptz,
  recipient jsonb, address text, "position" bigint, method text, ordinal bigint, dedupe_scope text, endpoint_id uuid,
  endpoint_number bigint, reason text)
RETURNS TABLE (id uuid, notification_id uuid, template text, template_version integer, method text, ordinal bigint,
  status text, reason text, recipient_id text, address text, recipient jsonb, secrets jsonb, targets text[],
  tenant text, group_key text, unsubscribe_url text, dedupe_key text, dedupe_slot bigint, dedupe_scope text,
  priority smallint, step smallint, unless text, send_at timestamptz, quiet text, quiet_until timestamptz,
  endpoint_id uuid, attachments integer, expires_at timestamptz, next_attempt_at timestamptz, max_attempts smallint,
  unknown text, created_by text, created_at timestamptz, settled_at timestamptz)
LANGUAGE sql STABLE
AS $$
  SELECT
    herald.message_id(notification_id, "position", ordinal, endpoint_number + coalesce(o.step, 0) * 4398046511104),
    notification_id, (template).name, (template).current_version, method, ordinal,
    CASE WHEN q.is_item THEN 'sent' ELSE herald.first_status(reason) END,
    coalesce(reason, CASE WHEN q.until IS NOT NULL THEN 'quiet_hours' END),
    recipient ->> 'id', address, herald.stored_recipient(recipient),
    CASE WHEN reason IS NULL AND NOT q.is_item THEN o.secrets END,
    o.targets, o.tenant, o.group_key, o.unsubscribe_url,
    o.dedupe_key, o.dedupe_slot, CASE WHEN o.dedupe_key IS NOT NULL THEN concat(o.step || '/', dedupe_scope) END,
    o.priority, o.step, o.unless, send_at, o.quiet, q.until, endpoint_id, attachments, expires_at,
    coalesce(q.until, start_at), (template).max_attempts, (template).unknown, o.created_by, now(),
    CASE WHEN reason IS NOT NULL OR q.is_item THEN now() END
  FROM (
    -- OFFSET keeps the planner from asking once per row, or per column.
    SELECT nullif(secrets, '{}') AS secrets,
      CASE WHEN options ? 'targets' THEN ARRAY(SELECT jsonb_array_elements_text(options -> 'targets')) ELSE '{}' END
        AS targets,
      options ->> 'tenant' AS tenant, options ->> 'groupKey' AS group_key,
      options ->> 'unsubscribeUrl' AS unsubscribe_url,
      options ->> 'dedupeKey' AS dedupe_key, herald.dedupe_slot(options) AS dedupe_slot,
      coalesce((options ->> 'priority')::numeric, 0)::smallint AS priority,
      (options ->> 'step')::smallint AS step, options ->> 'unless' AS unless,
      CASE WHEN options -> 'urgent' = 'true' THEN 'pass' ELSE options ->> 'quiet' END AS quiet,
      coalesce(options ->> 'createdBy', session_user) AS created_by
    OFFSET 0
  ) o,
  LATERAL (
    SELECT i.is_item, CASE
      WHEN reason IS NULL AND NOT i.is_item AND NOT (template).mandatory AND EXISTS (SELECT FROM herald.hours)
      THEN herald.quiet_until(method, coalesce(o.quiet, (template).quiet), recipient ->> 'id', o.tenant,
        recipient ->> 'timeZone', start_at, expires_at) END AS until
    FROM (SELECT method = 'inbox' AND reason IS NULL AND start_at <= now() AS is_item) i
    OFFSET 0
  ) q
$$;

-- Returns the messages that an earlier enqueue with the same dedupe key wrote for these recipients, in the order of the
-- input.
CREATE OR REPLACE FUNCTION herald.earlier_messages(notification_id uuid, options jsonb, recipients jsonb,
  methods text[], fallback text)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE sql STABLE
AS $$
  SELECT m.id, m.recipient_id, m.method, m.status, m.reason
  FROM (
    SELECT e.value ->> 'id' AS id, min(e.position) AS position
    FROM jsonb_array_elements($3) WITH ORDINALITY AS e (value, position) GROUP BY 1
  ) r
  JOIN herald.message m ON m.recipient_id = r.id
  WHERE m.dedupe_key = $2 ->> 'dedupeKey' AND m.dedupe_slot = herald.dedupe_slot($2) AND m.notification_id <> $1
    AND (m.step IS NOT NULL OR split_part(m.dedupe_scope, ':', 1) = ANY (CASE $5 WHEN 'first' THEN '{*}' ELSE $4 END))
  ORDER BY m.step NULLS FIRST, r.position, array_position($4, m.method), m.id
$$;
