-- Returns the id of the message that a report is about: by its id, or by the id under which the receiver knows it, and
-- only if one of the addresses is the message's own. A message that was never tried cannot have come back.
CREATE OR REPLACE FUNCTION herald.reported_message(message_id uuid, receiver_id text, addresses text[]) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT m.id FROM herald.message m
  WHERE m.id = $1 AND m.attempts > 0 AND m.address = ANY (ARRAY(SELECT herald.normalize_address(a) FROM unnest($3) AS a))
  UNION ALL
  SELECT m.id FROM herald.message m
  JOIN herald.attempt t ON t.message_id = m.id AND t.receiver_id = $2
  WHERE $1 IS NULL AND m.address = ANY (ARRAY(SELECT herald.normalize_address(a) FROM unnest($3) AS a))
    AND m.created_at > now() - interval '60 days'
  LIMIT 1
$$;

-- Records reports about messages, all of them or none, and applies what they mean. A report with a source and an id
-- that were recorded before changes nothing. Returns for each, in the order of the input, what became of it:
-- 'recorded', 'repeated' or 'unmatched', and whether it suppressed the address.
CREATE OR REPLACE FUNCTION herald.record_reports(reports jsonb) RETURNS TABLE (result text, message_id uuid, suppressed boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  one record;
  message record;
  template_group text;
  report_id uuid;
  fresh boolean;
  why text;
  effect text;
BEGIN
  FOR one IN
    SELECT r.* FROM ROWS FROM (jsonb_to_recordset(reports) AS ("messageId" uuid, "receiverId" text, addresses text[], kind text, effect text,
      unmatched text, "statusCode" text, "replyText" text, reporter text, source text, "sourceId" text)) WITH ORDINALITY AS
      r (message_id, receiver_id, addresses, kind, effect, unmatched, status_code, reply_text, reporter, source, source_id, position)
    ORDER BY r.position
  LOOP
    why := one.unmatched;
    -- Locked, so that erase waits, or has taken the address away before.
    SELECT m.* INTO message FROM herald.message m
    WHERE m.id = CASE WHEN why IS NULL THEN herald.reported_message(one.message_id, one.receiver_id, one.addresses) END
      AND m.address IS NOT NULL
    FOR NO KEY UPDATE;
    IF why IS NULL AND message.id IS NULL THEN
      why := CASE WHEN EXISTS (SELECT FROM herald.message m WHERE m.id = one.message_id) THEN 'other_recipient' ELSE 'no_message' END;
    END IF;
    effect := CASE WHEN why IS NULL THEN one.effect ELSE 'none' END;
    INSERT INTO herald.report AS r (message_id, kind, effect, unmatched, status_code, reply_text, reporter, domain, source, source_id)
    VALUES (message.id, one.kind, effect, why, CASE WHEN why IS NULL THEN one.status_code END, CASE WHEN why IS NULL THEN one.reply_text END,
      CASE WHEN why IS NULL THEN one.reporter END, split_part(message.address, '@', 2), one.source, one.source_id)
    ON CONFLICT ON CONSTRAINT report_source DO UPDATE SET times = least(r.times, 2147483646) + 1
    RETURNING r.id, r.times = 1 INTO report_id, fresh;
    suppressed := false;
    IF fresh AND why IS NULL THEN
      -- One message is evidence once, however many servers report it.
      IF effect = 'dead' AND NOT EXISTS (
          SELECT FROM herald.report r WHERE r.message_id = message.id AND r.effect = 'dead' AND r.id <> report_id) THEN
        suppressed := herald.count_dead(message.method, message.address, 'no_such_recipient', message.id);
      ELSIF effect = 'soft' THEN
        suppressed := herald.count_soft(message.method, message.address, CASE WHEN one.status_code LIKE '_.2.2' THEN 'mailbox_full' ELSE 'deferred' END);
      ELSIF effect IN ('complaint', 'unsubscribe') THEN
        template_group := (SELECT t."group" FROM herald.template t WHERE t.name = message.template);
        PERFORM herald.set_group(message.recipient_id, template_group, message.method, false, 'report');
        IF effect = 'complaint' THEN
          PERFORM herald.suppress_complainer(message.method, message.address);
          suppressed := true;
        END IF;
      END IF;
      PERFORM herald.announce_return(message.id, one.kind, effect, one.status_code, one.reporter, suppressed);
    END IF;
    result := CASE WHEN NOT fresh THEN 'repeated' WHEN why IS NULL THEN 'recorded' ELSE 'unmatched' END;
    message_id := message.id;
    RETURN NEXT;
  END LOOP;
  -- What counts for no message is kept for 30 days.
  DELETE FROM herald.report r WHERE r.id IN (
    SELECT o.id FROM herald.report o WHERE o.at < now() - interval '30 days' AND o.message_id IS NULL ORDER BY o.at LIMIT 100);
END
$$;

-- Enqueues the template "message-returned", where the application has one: its webhook tells other systems. A refusal
-- does not keep the report from being recorded.
CREATE OR REPLACE FUNCTION herald.announce_return(message_id uuid, kind text, effect text, status_code text, reporter text,
  suppressed boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  returned record;
BEGIN
  SELECT m.* INTO STRICT returned FROM herald.message m WHERE m.id = $1;
  IF kind NOT IN ('bounce', 'complaint') OR returned.template = 'message-returned'
      OR NOT EXISTS (SELECT FROM herald.template t WHERE t.name = 'message-returned') THEN
    RETURN;
  END IF;
  PERFORM FROM herald.enqueue(jsonb_build_object(
    'template', 'message-returned',
    'to', jsonb_build_object('id', returned.recipient_id),
    'tenant', returned.tenant,
    'targets', jsonb_build_array(returned.id),
    'labels', jsonb_build_object('message', returned.id, 'template', returned.template, 'recipient', returned.recipient_id, 'kind', kind,
      'status', coalesce(status_code, ''), 'server', coalesce(reporter, '')),
    'data', jsonb_build_object('messageId', returned.id, 'template', returned.template, 'recipientId', returned.recipient_id,
      'method', returned.method, 'kind', kind, 'effect', effect, 'statusCode', status_code, 'reporter', reporter,
      'suppressed', suppressed, 'sentAt', returned.settled_at),
    'createdBy', 'pg-herald',
    'returnRefusal', true));
END
$$;
