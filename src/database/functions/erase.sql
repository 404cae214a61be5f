-- Removes a person from one batch of messages, by recipient id or by address: names, addresses, labels, data, secrets,
-- files and the receivers' replies. Template, method, status, times and attempts stay, and so do the counts. Pending
-- messages are cancelled first. Messages that are being dispatched are left and counted as in_flight. The person's
-- preferences, with their history, and quiet hours are deleted, too; by recipient id also the endpoints, whose URLs and
-- contacts are addresses. Of a suppressed address a keyed hash is left, so that a person who complained is not written
-- to again. Call it again until it returns erased = 0.
CREATE OR REPLACE FUNCTION herald.erase(recipient_id text DEFAULT NULL, address text DEFAULT NULL,
  most integer DEFAULT 1000)
RETURNS TABLE (erased bigint, cancelled bigint, in_flight bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT text := $1;
  mailbox CONSTANT text := herald.normalize_address($2);
  ids uuid[];
  mailboxes text[];
  notification_ids uuid[];
  stopped bigint;
BEGIN
  IF num_nonnulls(person, mailbox) <> 1 OR coalesce(person, mailbox) IN ('', 'erased') THEN
    PERFORM herald.reject('HE006', '', 'erase takes exactly one of recipient_id and address',
      'Name the argument, for example recipient_id => ''user-7''.');
  END IF;
  ids := ARRAY(
    SELECT m.id FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status <> 'sending'
    LIMIT $3);
  -- Items before messages, as herald.mark locks them; messages in the order in which enqueue and settle do.
  PERFORM FROM herald.inbox i WHERE i.message_id = ANY (ids) ORDER BY i.message_id FOR UPDATE;
  PERFORM FROM herald.message m WHERE m.id = ANY (ids) ORDER BY m.id FOR UPDATE;
  SELECT count(*) FILTER (WHERE c.answer = 'cancelled') INTO stopped FROM herald.cancel(ids) c;
  WITH before AS (
    SELECT m.id, m.method, m.address, m.recipient_id FROM herald.message m WHERE m.id = ANY (ids) AND m.status <> 'sending'
  ), after AS (
    UPDATE herald.message m
    SET recipient_id = 'erased', recipient = '{"id": "erased"}', address = NULL, secrets = NULL,
      targets = array_remove(m.targets, m.recipient_id), group_key = NULL, unsubscribe_url = NULL, dedupe_key = NULL,
      dedupe_scope = NULL, detail = NULL
    FROM before b WHERE m.id = b.id
    RETURNING m.id, m.notification_id
  ), acknowledgements AS (
    DELETE FROM herald.acknowledgement a USING after f JOIN before b USING (id)
    WHERE a.notification_id = f.notification_id AND a.recipient_id = b.recipient_id
  ), items AS (
    DELETE FROM herald.inbox i USING after f WHERE i.message_id = f.id
  ), refusals AS (
    DELETE FROM herald.refusal r USING after f WHERE r.message_id = f.id
  ), replies AS (
    UPDATE herald.attempt a SET detail = NULL, reply_text = NULL, receiver_id = NULL
    FROM after f WHERE a.message_id = f.id
  ), reports AS (
    UPDATE herald.report r SET reply_text = NULL, reporter = NULL, domain = NULL
    FROM after f WHERE r.message_id = f.id
  )
  SELECT count(*), array_agg(DISTINCT b.address), array_agg(DISTINCT f.notification_id)
    INTO erased, mailboxes, notification_ids
  FROM before b JOIN after f USING (id);
  -- The notification's other recipients keep its content.
  PERFORM herald.delete_unused_content(notification_ids);
  PERFORM herald.erase_suppressions(array_append(mailboxes, mailbox));
  DELETE FROM herald.preference p WHERE p.recipient_id = person;
  -- After the preferences, whose deletion is a change as well.
  DELETE FROM herald.preference_history h WHERE h.recipient_id = person;
  DELETE FROM herald.hours h WHERE h.scope = 'recipient' AND h.subject = person;
  -- With the last batch: cancel what waits for an endpoint before the endpoint is deleted.
  DELETE FROM herald.endpoint e WHERE e.recipient_id = person AND cardinality(ids) < $3;
  RETURN QUERY SELECT erased, stopped, count(*) FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status = 'sending';
END
$$;
