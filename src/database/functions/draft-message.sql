-- Returns what all messages of a notification have in common, and what a new message starts with.
CREATE OR REPLACE FUNCTION herald.draft_message(options jsonb, template herald.template, secrets jsonb, attachments integer) RETURNS herald.message
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  draft herald.message;
BEGIN
  draft.notification_id := herald.uuid_v7();
  draft.template := template.name;
  draft.template_version := template.current_version;
  draft.secrets := nullif(secrets, '{}');
  draft.targets := CASE WHEN options ? 'targets' THEN ARRAY(SELECT jsonb_array_elements_text(options -> 'targets')) ELSE '{}' END;
  draft.tenant := options ->> 'tenant';
  draft.group_key := options ->> 'groupKey';
  draft.unsubscribe_url := options ->> 'unsubscribeUrl';
  draft.dedupe_key := options ->> 'dedupeKey';
  draft.dedupe_slot := coalesce(1 + floor(extract(epoch FROM now()) / (options ->> 'dedupeWindowSeconds')::double precision), 0);
  draft.priority := coalesce((options ->> 'priority')::numeric, 0);
  draft.send_at := coalesce((options ->> 'sendAt')::timestamptz, now() + (options ->> 'delaySeconds')::double precision * interval '1 second');
  draft.next_attempt_at := greatest(draft.send_at, now());
  draft.expires_at := coalesce((options ->> 'expiresAt')::timestamptz,
    draft.next_attempt_at + coalesce((options ->> 'ttlSeconds')::double precision, template.ttl_seconds) * interval '1 second');
  IF draft.expires_at <= draft.send_at THEN
    PERFORM herald.reject('HE006', 'expiresAt', 'the message would expire before it may be sent', 'Set expiresAt after sendAt.');
  END IF;
  draft.max_attempts := template.max_attempts;
  draft.unknown := template.unknown;
  draft.attachments := attachments;
  draft.created_by := coalesce(options ->> 'createdBy', session_user);
  draft.created_at := now();
  draft.attempts := 0;
  draft.counted := 0;
  draft.crashes := 0;
  draft.unknowns := 0;
  draft.uncounted := 0;
  RETURN draft;
END
$$;

-- Returns the id of one message: the notification's with another end, which counts up from a random number in the order of the input.
CREATE OR REPLACE FUNCTION herald.message_id(notification_id uuid, "position" bigint, ordinal bigint, endpoint_number bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT (left(notification_id::text, 24) || to_hex(140737488355328 + (('x' || right(notification_id::text, 12))::bit(48)::bigint & 70368744177663)
    + ("position" * 16 + ordinal) * 16384 + endpoint_number))::uuid
$$;
