-- Records that a recipient has acknowledged notifications: by the ids of any of their messages, by the notification, or
-- all about a target. Stronger than reading, which it includes. Returns how many notifications were acknowledged just
-- now, and how many later steps that cancelled. Only what was sent to this recipient counts, so that nobody
-- acknowledges for another person.
CREATE OR REPLACE FUNCTION herald.acknowledge(recipient_id text, message_ids uuid[] DEFAULT NULL,
  target text DEFAULT NULL, notification_id uuid DEFAULT NULL, OUT acknowledged bigint, OUT cancelled bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
  person CONSTANT text := $1;
  notification_ids uuid[];
  ids uuid[];
BEGIN
  IF NOT coalesce(herald.is_line(to_jsonb(person), 200), false) THEN
    PERFORM herald.reject('HE003', 'recipient_id', 'recipient_id must be one line of 1 to 200 characters',
      'Pass the id that notifications are addressed to.');
  ELSIF num_nonnulls($2, $3, $4) <> 1 THEN
    PERFORM herald.reject('HE006', '', 'acknowledge takes exactly one of message_ids, target and notification_id',
      'Name the argument, for example target => ''42''.');
  ELSIF $4 IS NOT NULL THEN
    notification_ids := ARRAY[$4];
  ELSIF $3 IS NOT NULL THEN
    notification_ids := ARRAY(SELECT DISTINCT m.notification_id FROM herald.message m
      WHERE m.targets @> ARRAY[$3] AND m.targets <> '{}' AND m.recipient_id = person);
  ELSE
    notification_ids := ARRAY(SELECT DISTINCT m.notification_id FROM herald.message m WHERE m.id = ANY ($2));
  END IF;
  ids := ARRAY(SELECT m.id FROM herald.message m
    WHERE m.notification_id = ANY (notification_ids) AND m.recipient_id = person ORDER BY m.id);
  -- Items before messages and in the order of their ids, as herald.mark locks them.
  PERFORM FROM herald.inbox i WHERE i.message_id = ANY (ids) ORDER BY i.message_id FOR UPDATE;
  WITH written AS (
    INSERT INTO herald.acknowledgement (notification_id, recipient_id)
    SELECT DISTINCT m.notification_id, person FROM herald.message m WHERE m.id = ANY (ids) ORDER BY 1
    ON CONFLICT DO NOTHING RETURNING 1
  )
  SELECT count(*) INTO acknowledged FROM written;
  cancelled := herald.cancel_steps(person, ids, 'acknowledged');
  IF EXISTS (SELECT FROM herald.inbox i WHERE i.message_id = ANY (ids) AND i.read_at IS NULL) THEN
    PERFORM herald.mark(person, 'read', message_ids => ids);
  END IF;
END
$$;
