-- What the links to a recipient's pages do. A link names a template, and acts on the template's group: the list that
-- the email belonged to.

-- Turns a group on or off for a recipient and a method, and with it each of its templates that the recipient had chosen
-- otherwise. Mandatory templates stay on.
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
  RETURN QUERY SELECT s.* FROM herald.subscription($1, $2, $3) s;
END
$$;
