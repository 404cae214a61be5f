-- Writes the messages of a notification and their jobs, wakes the workers, and returns the messages in the order of
-- recipients and methods. A message that has its dedupe key, window, recipient and scope from an earlier enqueue is
-- left out. An inbox message that is not scheduled is settled at once: its item is written instead of a job, so that
-- its reader has it as soon as the transaction commits. The usual case, a call with one message, or with an inbox
-- message beside it, has an INSERT of its own: without the sort, the joins and the set-up that several messages need,
-- it takes 440 instead of 800 us of processor time.
CREATE OR REPLACE FUNCTION herald.write_messages(notification_id uuid, options jsonb, template herald.template,
  secrets jsonb, attachments integer, recipients jsonb, methods text[], notified text[], has_endpoints boolean)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  schedule CONSTANT record := herald.resolve_schedule(options, template);
  shared record;
  judged record;
  n integer;
  one_id uuid;
  ids uuid[];
  statuses text[];
  reasons text[];
  written boolean := false;
BEGIN
  -- One statement instead of an assignment per column: Postgres sets up each expression of PL/pgSQL anew in each
  -- transaction.
  SELECT template.name AS template, template.current_version AS template_version, nullif(secrets, '{}') AS secrets,
    CASE WHEN options ? 'targets' THEN ARRAY(SELECT jsonb_array_elements_text(options -> 'targets')) ELSE '{}' END
      AS targets,
    options ->> 'tenant' AS tenant, options ->> 'groupKey' AS group_key,
    options ->> 'unsubscribeUrl' AS unsubscribe_url,
    options ->> 'dedupeKey' AS dedupe_key, herald.dedupe_slot(options) AS dedupe_slot,
    coalesce((options ->> 'priority')::numeric, 0)::smallint AS priority,
    coalesce(options ->> 'createdBy', session_user) AS created_by,
    CASE WHEN options -> 'urgent' = 'true' THEN 'pass' ELSE options ->> 'quiet' END AS quiet,
    EXISTS (SELECT FROM herald.hours) AND NOT template.mandatory AS has_hours,
    coalesce(schedule.expires_at <= now(), false) AS expired,
    'inbox' = ANY (methods) AND schedule.start_at <= now() AS has_items,
    (options ->> 'step')::smallint AS step, options ->> 'unless' AS unless
    INTO shared;

  IF jsonb_array_length(recipients) = 1 AND NOT has_endpoints AND NOT options ? 'step' AND (cardinality(methods) = 1
      OR shared.has_items AND cardinality(methods) = 2 AND methods[1] <> methods[2] AND template.fallback <> 'first') THEN
    FOR turn IN 1 .. cardinality(methods) LOOP
      -- In the order in which the other INSERT writes, so that two calls with one dedupe key wait for each other.
      n := CASE WHEN methods[1] > methods[2] COLLATE "C" THEN 3 - turn ELSE turn END;
      SELECT j.address, j.reason, CASE WHEN j.reason IS NULL AND shared.has_items AND methods[n] = 'inbox' THEN 'sent'
          ELSE herald.first_status(j.reason) END AS status, NULL::timestamptz AS quiet_until INTO judged
        FROM herald.judge_recipient(recipients -> 0, methods[n], template, shared.expired) j;
      IF shared.has_hours AND judged.status = 'pending' THEN
        judged.quiet_until := herald.quiet_until(methods[n], coalesce(shared.quiet, template.quiet),
          recipients -> 0 ->> 'id', shared.tenant, recipients -> 0 ->> 'timeZone', schedule.start_at,
          schedule.expires_at);
        judged.reason := CASE WHEN judged.quiet_until IS NOT NULL THEN 'quiet_hours' END;
      END IF;
      INSERT INTO herald.message AS m (id, notification_id, template, template_version, method, ordinal, status, reason,
        recipient_id, address, recipient, secrets, targets, tenant, group_key, unsubscribe_url,
        dedupe_key, dedupe_slot, dedupe_scope, priority,
        send_at, quiet, quiet_until, attachments, expires_at, next_attempt_at, max_attempts, unknown, created_by,
        created_at, settled_at)
      VALUES (herald.message_id(notification_id, 1, n, 0), notification_id, shared.template, shared.template_version,
        methods[n], n, judged.status, judged.reason,
        recipients -> 0 ->> 'id', judged.address, herald.stored_recipient(recipients -> 0),
        CASE WHEN judged.status = 'pending' THEN shared.secrets END, shared.targets, shared.tenant, shared.group_key,
        shared.unsubscribe_url, shared.dedupe_key, shared.dedupe_slot,
        CASE WHEN shared.dedupe_key IS NOT NULL THEN CASE template.fallback WHEN 'first' THEN '*' ELSE methods[n] END END,
        shared.priority, schedule.send_at, shared.quiet, judged.quiet_until, attachments, schedule.expires_at,
        coalesce(judged.quiet_until, schedule.start_at), template.max_attempts, template.unknown, shared.created_by,
        now(), CASE WHEN judged.status <> 'pending' THEN now() END)
      ON CONFLICT DO NOTHING
      RETURNING m.id INTO one_id;
      IF FOUND THEN
        written := true;
        ids[n] := one_id;
        statuses[n] := judged.status;
        reasons[n] := judged.reason;
        IF judged.status = 'pending' THEN
          PERFORM herald.insert_jobs(ARRAY[one_id], ARRAY[methods[n]], ARRAY[shared.priority],
            ARRAY[coalesce(judged.quiet_until, schedule.start_at)]);
        ELSIF judged.status = 'sent' THEN
          INSERT INTO herald.inbox (message_id, recipient_id, tenant) VALUES (one_id, recipients -> 0 ->> 'id', shared.tenant);
        END IF;
      END IF;
    END LOOP;
    FOR i IN 1 .. cardinality(methods) LOOP
      IF ids[i] IS NOT NULL THEN
        message_id := ids[i];
        recipient_id := recipients -> 0 ->> 'id';
        method := methods[i];
        status := statuses[i];
        reason := reasons[i];
        RETURN NEXT;
      END IF;
    END LOOP;
  ELSE
    RETURN QUERY
    WITH written AS (
      INSERT INTO herald.message AS m (id, notification_id, template, template_version, method, ordinal, status, reason,
        recipient_id, address, recipient, secrets, targets, tenant, group_key, unsubscribe_url,
        dedupe_key, dedupe_slot, dedupe_scope, priority, step, unless, send_at, quiet, quiet_until, endpoint_id,
        attachments,
        expires_at, next_attempt_at, max_attempts, unknown, created_by, created_at, settled_at)
      SELECT herald.message_id(notification_id, j.position, j.ordinal,
          j.endpoint_number + coalesce(shared.step, 0) * 4398046511104), notification_id,
        shared.template, shared.template_version, j.method, j.ordinal,
        CASE WHEN j.is_item THEN 'sent' ELSE herald.first_status(j.reason) END,
        coalesce(j.reason, CASE WHEN j.quiet_until IS NOT NULL THEN 'quiet_hours' END), j.recipient_id, j.address,
        herald.stored_recipient(j.recipient), CASE WHEN j.reason IS NULL AND NOT j.is_item THEN shared.secrets END,
        shared.targets, shared.tenant, shared.group_key,
        shared.unsubscribe_url, shared.dedupe_key, shared.dedupe_slot,
        CASE WHEN shared.dedupe_key IS NOT NULL THEN concat(shared.step || '/', j.dedupe_scope) END, shared.priority,
        shared.step, shared.unless, schedule.send_at, shared.quiet, j.quiet_until, j.endpoint_id, attachments, schedule.expires_at,
        coalesce(j.quiet_until, schedule.start_at), template.max_attempts, template.unknown, shared.created_by, now(),
        CASE WHEN j.reason IS NOT NULL OR j.is_item THEN now() END
      FROM (
        -- OFFSET keeps the planner from asking once per column.
        SELECT a.*, shared.has_items AND a.method = 'inbox' AND a.reason IS NULL AS is_item,
          CASE WHEN shared.has_hours AND a.reason IS NULL AND NOT (shared.has_items AND a.method = 'inbox')
            THEN herald.quiet_until(a.method, coalesce(shared.quiet, template.quiet), a.recipient_id, shared.tenant,
              a.recipient ->> 'timeZone', schedule.start_at, schedule.expires_at) END AS quiet_until
        FROM herald.judge_recipients(recipients, methods, has_endpoints, template, shared.tenant, shared.expired) a
        OFFSET 0
      ) j
      ON CONFLICT DO NOTHING
      RETURNING m.id, m.recipient_id, m.method, m.status, m.reason, m.priority, m.next_attempt_at
    ), jobs AS (
      SELECT herald.insert_jobs(array_agg(w.id), array_agg(w.method), array_agg(w.priority),
        array_agg(w.next_attempt_at))
      FROM written w WHERE w.status = 'pending'
    ), items AS (
      SELECT CASE WHEN shared.has_items THEN herald.insert_items(array_agg(w.id), array_agg(w.recipient_id), shared.tenant) END
      FROM written w WHERE shared.has_items AND w.status = 'sent'
    )
    SELECT w.id, w.recipient_id, w.method, w.status, w.reason FROM written w CROSS JOIN jobs CROSS JOIN items ORDER BY w.id;
    written := FOUND;
  END IF;
  IF written AND schedule.start_at <= now() THEN
    FOR i IN 1 .. coalesce(cardinality(notified), 0) LOOP
      IF notified[i] = 'inbox' THEN
        PERFORM pg_notify('herald_inbox', '');
      ELSE
        PERFORM pg_notify('herald', notified[i]);
      END IF;
    END LOOP;
  END IF;
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
