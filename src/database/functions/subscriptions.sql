-- What the links to a recipient's pages do. A link names a template, and acts on the template's group: the list that
-- the email belonged to.

-- Returns the methods that send nothing to a recipient because a message was reported as spam or their address did not
-- accept it, by the address that was used last. The recipient may lift it, if a report about a message of theirs was
-- the cause: an address that they have given since may be another person's. A dead mailbox and what an operator decided
-- are not theirs to lift.
CREATE OR REPLACE FUNCTION herald.stopped_methods(recipient_id text) RETURNS TABLE (method text, address text, cause text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT d.name, a.address, s.cause
  FROM herald.method d
  CROSS JOIN LATERAL (
    SELECT m.address FROM herald.message m
    WHERE m.recipient_id = $1 AND m.method = d.name AND m.address IS NOT NULL
    ORDER BY m.created_at DESC, m.id DESC LIMIT 1
  ) a
  CROSS JOIN LATERAL herald.suppression_of(d.name, a.address, d.erased_key, false) s
  WHERE s.cause IN ('soft', 'complaint') AND EXISTS (
    SELECT FROM herald.message m JOIN herald.report r ON r.message_id = m.id
    WHERE m.recipient_id = $1 AND m.method = d.name AND m.address = a.address AND r.effect = s.cause)
$$;

-- Lets a method, or every one, use the recipient's address again: the recipient asked for it.
CREATE OR REPLACE FUNCTION herald.allow_again(recipient_id text, method text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT herald.lift_suppression(s.method, s.address, s.cause) FROM herald.stopped_methods($1) s WHERE $2 IS NULL OR s.method = $2
$$;

-- Turns a group on or off for a recipient and a method, and with it each of its templates that the recipient had chosen
-- otherwise. Mandatory templates stay on. A recipient who turns something on by a link wants it to arrive.
CREATE OR REPLACE FUNCTION herald.set_group(recipient_id text, template_group text, method text, enabled boolean, changed_by text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM herald.set_preference($1, 'group', $2, $4, $3, $5);
  PERFORM herald.set_preference($1, 'template', t.name, $4, $3, $5)
  FROM herald.template t
  WHERE t."group" = $2 AND NOT t.mandatory AND herald.preference_of($1, t.name, t."group", $3) <> $4;
  IF $4 AND $5 = 'link' THEN
    PERFORM herald.allow_again($1, $3);
  END IF;
END
$$;

-- Returns the group that a link is about, and whether the recipient receives its template by the method; no row if the
-- template does not exist.
CREATE OR REPLACE FUNCTION herald.subscription(recipient_id text, template text, method text)
RETURNS TABLE (template_group text, enabled boolean, mandatory boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t."group", t.mandatory OR coalesce(herald.preference_of($1, t.name, t."group", $3), t.enabled_by_default), t.mandatory
  FROM herald.template t WHERE t.name = $2
$$;

-- Unsubscribes a recipient, as often as it is called. Returns the subscription afterwards.
CREATE OR REPLACE FUNCTION herald.unsubscribe(recipient_id text, template text, method text)
RETURNS TABLE (template_group text, enabled boolean, mandatory boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  PERFORM herald.set_group($1, t."group", $3, false, 'link') FROM herald.template t WHERE t.name = $2;
  RETURN QUERY SELECT s.* FROM herald.subscription($1, $2, $3) s;
END
$$;

-- Undoes it: each choice that a link turned off becomes what it was before. If the template is still off, because it
-- was turned off in another way or is off by default, the group is turned on. Returns the subscription afterwards.
CREATE OR REPLACE FUNCTION herald.resubscribe(recipient_id text, template text, method text)
RETURNS TABLE (template_group text, enabled boolean, mandatory boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  list CONSTANT text := (SELECT t."group" FROM herald.template t WHERE t.name = $2);
BEGIN
  PERFORM herald.set_preference($1, p.scope, p.subject, b.enabled, p.method, 'link')
  FROM herald.preference p
  CROSS JOIN LATERAL (
    SELECT h.id, h.changed_by FROM herald.preference_history h
    WHERE h.recipient_id = $1 AND h.scope = p.scope AND h.subject = p.subject AND h.method = p.method
    ORDER BY h.id DESC LIMIT 1
  ) l
  LEFT JOIN LATERAL (
    SELECT h.enabled FROM herald.preference_history h
    WHERE h.recipient_id = $1 AND h.scope = p.scope AND h.subject = p.subject AND h.method = p.method AND h.id < l.id
    ORDER BY h.id DESC LIMIT 1
  ) b ON true
  WHERE p.recipient_id = $1 AND p.method = $3 AND NOT p.enabled AND l.changed_by = 'link'
    AND ((p.scope = 'group' AND p.subject = list)
      OR (p.scope = 'template' AND p.subject IN (SELECT t.name FROM herald.template t WHERE t."group" = list)));
  IF (SELECT NOT s.enabled FROM herald.subscription($1, $2, $3) s) THEN
    PERFORM herald.set_group($1, list, $3, true, 'link');
  END IF;
  PERFORM herald.allow_again($1, $3);
  RETURN QUERY SELECT s.* FROM herald.subscription($1, $2, $3) s;
END
$$;
