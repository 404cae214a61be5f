-- Writes the content that the messages of a notification share. It refuses a seal_id that another notification has.
-- herald.wrong_option refuses an old one, whose notification may be purged. So encrypted labels from a dump cannot be
-- decrypted for another recipient.
CREATE OR REPLACE FUNCTION herald.write_content(notification_id uuid, labels jsonb, options jsonb, attachments jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  -- Two conditions, because one with EXISTS is a query even where the option is not given.
  IF options ? 'sealId' THEN
    IF EXISTS (SELECT FROM herald.notification n WHERE n.seal_id = (options ->> 'sealId')::uuid) THEN
      PERFORM herald.reject('HE002', 'secrets', 'the secret labels belong to another notification',
        'Encrypt them anew for each notification.');
    END IF;
  END IF;
  -- The unique index refuses two transactions that use the same seal_id at once.
  INSERT INTO herald.notification (id, labels, data, actions, trace_context, seal_id)
  VALUES ($1, $2, options -> 'data', options -> 'actions', options -> 'traceContext', (options ->> 'sealId')::uuid);
  IF attachments <> '[]' THEN
    INSERT INTO herald.attachment (notification_id, position, name, content_type, content)
    SELECT $1, a.position, a.value ->> 'name', lower((a.value ->> 'contentType') COLLATE "C"), decode(a.value ->> 'content', 'base64')
    FROM jsonb_array_elements(attachments) WITH ORDINALITY AS a (value, position);
  END IF;
END
$$;

-- Deletes the content of those notifications that have no message left, or only erased ones.
CREATE OR REPLACE FUNCTION herald.delete_unused_content(notification_ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  unused CONSTANT uuid[] := ARRAY(
    SELECT i.id FROM unnest(notification_ids) AS i (id)
    WHERE NOT EXISTS (SELECT FROM herald.message m WHERE m.notification_id = i.id AND m.recipient_id <> 'erased'));
BEGIN
  DELETE FROM herald.acknowledgement a WHERE a.notification_id = ANY (unused);
  DELETE FROM herald.attachment a WHERE a.notification_id = ANY (unused);
  DELETE FROM herald.notification n WHERE n.id = ANY (unused);
END
$$;
