-- Writes the messages of a notification and their jobs, and returns the messages in the order of recipients and methods. A message that has its dedupe key,
-- window, recipient and scope from an earlier enqueue is left out.
CREATE OR REPLACE FUNCTION herald.write_messages(draft herald.message, template herald.template, recipients jsonb, methods text[],
  has_endpoints boolean)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH written AS (
    INSERT INTO herald.message AS m (id, notification_id, template, template_version, method, ordinal, status, reason, recipient_id, address,
      recipient, secrets, targets, tenant, group_key, unsubscribe_url, dedupe_key, dedupe_slot, dedupe_scope, priority,
      send_at, endpoint_id, attachments, expires_at, next_attempt_at, max_attempts, unknown, created_by, created_at, settled_at)
    SELECT herald.message_id(draft.notification_id, j.position, j.ordinal, j.endpoint_number), draft.notification_id, draft.template,
      draft.template_version, j.method, j.ordinal,
      CASE WHEN j.reason IS NULL THEN 'pending' WHEN j.reason = 'expired' THEN 'expired' ELSE 'inhibited' END, j.reason, j.recipient_id, j.address,
      herald.stored_recipient(j.recipient), CASE WHEN j.reason IS NULL THEN draft.secrets END,
      draft.targets, draft.tenant, draft.group_key, draft.unsubscribe_url, draft.dedupe_key, draft.dedupe_slot,
      CASE WHEN draft.dedupe_key IS NOT NULL THEN j.dedupe_scope END, draft.priority, draft.send_at, j.endpoint_id, draft.attachments,
      draft.expires_at, draft.next_attempt_at, draft.max_attempts, draft.unknown, draft.created_by, now(),
      CASE WHEN j.reason IS NOT NULL THEN now() END
    FROM herald.judge_recipients(recipients, methods, has_endpoints, template, draft.tenant, draft.expires_at <= now()) j
    ON CONFLICT DO NOTHING
    RETURNING m.id, m.recipient_id, m.method, m.status, m.reason, m.priority, m.next_attempt_at
  ), jobs AS (
    SELECT herald.insert_jobs(array_agg(w.id), array_agg(w.method), array_agg(w.priority), array_agg(w.next_attempt_at))
    FROM written w WHERE w.status = 'pending'
  )
  SELECT w.id, w.recipient_id, w.method, w.status, w.reason FROM written w CROSS JOIN jobs ORDER BY w.id;
END
$$;

-- The same for one message, as nearly always: without the sort, the joins and the set-up that only several need.
CREATE OR REPLACE FUNCTION herald.write_message(message herald.message)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  INSERT INTO herald.message SELECT message.* ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF message.status = 'pending' THEN
    PERFORM herald.insert_jobs(ARRAY[message.id], ARRAY[message.method], ARRAY[message.priority], ARRAY[message.next_attempt_at]);
  END IF;
  RETURN QUERY SELECT message.id, message.recipient_id, message.method, message.status, message.reason;
END
$$;

-- Returns the messages that an earlier enqueue with the same dedupe key wrote for these recipients, in the order of the input.
CREATE OR REPLACE FUNCTION herald.earlier_messages(draft herald.message, recipients jsonb, methods text[], fallback text)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE sql STABLE
AS $$
  SELECT m.id, m.recipient_id, m.method, m.status, m.reason
  FROM (
    SELECT e.value ->> 'id' AS id, min(e.position) AS position
    FROM jsonb_array_elements($2) WITH ORDINALITY AS e (value, position) GROUP BY 1
  ) r
  JOIN herald.message m ON m.recipient_id = r.id
  WHERE m.dedupe_key = ($1).dedupe_key AND m.dedupe_slot = ($1).dedupe_slot AND m.notification_id <> ($1).notification_id
    AND split_part(m.dedupe_scope, ':', 1) = ANY (CASE $4 WHEN 'first' THEN '{*}' ELSE $3 END)
  ORDER BY r.position, array_position($3, m.method), m.id
$$;
