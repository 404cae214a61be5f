-- Returns what the methods of a template's later steps need of a recipient, and all their names. Refuses a method that
-- does not exist before anything is written.
CREATE OR REPLACE FUNCTION herald.step_methods(template herald.template, OUT methods text[], OUT fields text[])
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  missing text;
BEGIN
  methods := ARRAY(SELECT m.name FROM jsonb_array_elements(template.steps) s, jsonb_array_elements_text(s -> 'methods') AS m (name));
  missing := (SELECT c FROM unnest(methods) AS c WHERE NOT EXISTS (SELECT FROM herald.method m WHERE m.name = c AND m.name <> '*') LIMIT 1);
  IF missing IS NOT NULL THEN
    PERFORM herald.reject('HE004', 'methods', format('unknown method "%s" in a step of template "%s"', left(missing, 200), template.name),
      'Known methods are the rows of herald.method; add one with "pg-herald migrate --method NAME".');
  END IF;
  fields := ARRAY(SELECT DISTINCT m.requires FROM herald.method m WHERE m.name = ANY (methods) AND m.requires IS NOT NULL);
END
$$;

-- Writes the later steps of a notification, as ordinary messages that are scheduled from its start: those of the
-- recipients for whom this call wrote a message. A step that would come after the notification has expired is left out.
-- drops: herald.write_steps(uuid, jsonb, herald.template, jsonb, integer, jsonb)
CREATE OR REPLACE FUNCTION herald.write_steps(notification_id uuid, options jsonb, template herald.template,
  secrets jsonb, attachments integer, start_at timestamptz, recipients jsonb)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  told CONSTANT jsonb := (
    SELECT jsonb_agg(r.value ORDER BY r.position) FROM jsonb_array_elements(recipients) WITH ORDINALITY AS r (value, position)
    WHERE EXISTS (SELECT FROM herald.message m WHERE m.notification_id = $1 AND m.recipient_id = r.value ->> 'id'));
  shared CONSTANT jsonb := options - '{methods,delaySeconds}'::text[];
  step_options jsonb;
  own herald.template := template;
  delivery record;
  step jsonb;
  send_at timestamptz;
  schedule record;
BEGIN
  own.methods_override := NULL;
  FOR n IN 1 .. jsonb_array_length(template.steps) LOOP
    step := template.steps -> (n - 1);
    send_at := start_at + (step ->> 'afterSeconds')::double precision * interval '1 second';
    CONTINUE WHEN (options ->> 'expiresAt')::timestamptz <= send_at;
    step_options := shared || jsonb_build_object('sendAt', send_at, 'step', n, 'unless', step -> 'unless');
    schedule := herald.resolve_schedule(step_options, template);
    own.methods := ARRAY(SELECT jsonb_array_elements_text(step -> 'methods'));
    own.fallback := step ->> 'fallback';
    delivery := herald.resolve_methods(shared, own);
    PERFORM FROM herald.write_messages(notification_id, step_options, own, secrets, attachments,
      schedule.send_at, schedule.start_at, schedule.expires_at, told, own.methods, delivery.has_endpoints) w;
  END LOOP;
  IF NOT template.mandatory AND EXISTS (SELECT FROM herald.hours) THEN
    PERFORM herald.spread_steps(notification_id, jsonb_array_length(template.steps), NOT options ? 'expiresAt');
  END IF;
  RETURN QUERY SELECT m.id, m.recipient_id, m.method, m.status, m.reason FROM herald.message m
    WHERE m.notification_id = $1 AND m.step IS NOT NULL ORDER BY m.id;
END
$$;

-- Returns whether the condition of a step no longer holds: the recipient has seen, read or acknowledged the
-- notification, by whatever method and on whatever device. VOLATILE, so that it sees what was committed while the
-- caller waited for the lock of the message.
CREATE OR REPLACE FUNCTION herald.is_needless(notification_id uuid, recipient_id text, unless text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM herald.acknowledgement a WHERE a.notification_id = $1 AND a.recipient_id = $2) THEN
    RETURN true;
  END IF;
  RETURN $3 <> 'acknowledged' AND EXISTS (
    SELECT FROM herald.message m JOIN herald.inbox i ON i.message_id = m.id
    WHERE m.notification_id = $1 AND m.recipient_id = $2
      AND (i.read_at IS NOT NULL OR i.archived_at IS NOT NULL OR $3 = 'seen' AND i.seen_at IS NOT NULL));
END
$$;

-- Cancels the steps that wait for what has just happened to these messages of a recipient: seen, read, archived or
-- acknowledged. Returns how many. The row lock decides between the reader and a worker that begins at the same moment:
-- what a worker is dispatching is not cancelled, and not counted. Without open steps it costs one look into an index.
CREATE OR REPLACE FUNCTION herald.cancel_steps(recipient_id text, message_ids uuid[], happened text) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  conditions CONSTANT text[] := CASE happened
    WHEN 'seen' THEN '{seen}'
    WHEN 'read' THEN '{seen,read}'
    WHEN 'archived' THEN '{seen,read}'
    WHEN 'acknowledged' THEN '{seen,read,acknowledged}' END;
  ids uuid[];
BEGIN
  IF conditions IS NULL OR NOT EXISTS (
      SELECT FROM herald.message w WHERE w.recipient_id = $1 AND w.unless IS NOT NULL AND w.settled_at IS NULL) THEN
    RETURN 0;
  END IF;
  ids := ARRAY(
    SELECT w.id FROM herald.message w
    WHERE w.recipient_id = $1 AND w.unless IS NOT NULL AND w.unless = ANY (conditions) AND w.settled_at IS NULL
      AND w.notification_id IN (SELECT m.notification_id FROM herald.message m WHERE m.id = ANY ($2) AND m.recipient_id = $1));
  RETURN (SELECT count(*) FROM herald.cancel_messages(ids, CASE happened WHEN 'archived' THEN 'read' ELSE happened END) c
    WHERE c.answer = 'cancelled');
END
$$;
