-- Returns what a recipient wants: one row, or none. The most specific choice decides: template before group before all,
-- then a named method before '*'. In descending order the words sort that way, so the primary key returns them without
-- a sort. The planner inlines this function after LATERAL; STRICT, SET or SECURITY DEFINER would prevent that.
CREATE OR REPLACE FUNCTION herald.choice_of(recipient_id text, template text, template_group text, method text) RETURNS TABLE (enabled boolean)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT p.enabled
  FROM herald.preference p
  WHERE p.recipient_id = $1
    AND p.method IN ($4, '*')
    AND ((p.scope = 'template' AND p.subject = $2) OR (p.scope = 'group' AND p.subject = $3) OR p.scope = 'all')
  ORDER BY p.scope DESC, p.subject DESC, p.method DESC
  LIMIT 1
$$;

-- The same as a value: true, false, or null without a row.
CREATE OR REPLACE FUNCTION herald.preference_of(recipient_id text, template text, template_group text, method text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT c.enabled FROM herald.choice_of($1, $2, $3, $4) AS c
$$;

-- Sets a preference, or removes it where enabled is null. Scope: template, group or all (subject ''). The history says
-- who did: link, inbox, api, operator, report, import or sql.
-- drops: herald.set_preference(text, text, text, boolean, text)
CREATE OR REPLACE FUNCTION herald.set_preference(recipient_id text, scope text, subject text, enabled boolean, method text DEFAULT '*', changed_by text DEFAULT 'sql') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
  mandatory boolean;
BEGIN
  IF NOT coalesce(herald.is_line(to_jsonb($1), 200), false) THEN
    PERFORM herald.reject('HE003', 'recipient_id', 'recipient_id must be one line of 1 to 200 characters', 'Pass the id that notifications are addressed to.');
  ELSIF $2 IS NULL OR $2 NOT IN ('template', 'group', 'all') OR ($2 = 'all') <> (coalesce($3, '') = '') THEN
    PERFORM herald.reject('HE006', 'scope', 'scope must be template or group, with its name as subject, or all with an empty one',
      'For example: ''template'', ''workspace-deleted''.');
  END IF;
  IF $4 IS NULL THEN
    PERFORM set_config('herald.changed_by', $6, true);
    DELETE FROM herald.preference p WHERE p.recipient_id = $1 AND p.scope = $2 AND p.subject = coalesce($3, '') AND p.method = $5;
    PERFORM set_config('herald.changed_by', '', true);
    RETURN;
  END IF;
  mandatory := (SELECT bool_and(t.mandatory) FROM herald.template t WHERE $3 = CASE $2 WHEN 'template' THEN t.name ELSE t."group" END);
  IF $2 <> 'all' AND mandatory IS NULL THEN
    PERFORM herald.reject('HE001', 'subject', format('unknown %s "%s"', $2, left($3, 200)), 'See "pg-herald templates list".');
  ELSIF $2 = 'template' AND NOT $4 AND mandatory THEN
    PERFORM herald.reject('HE006', 'subject', format('template "%s" is mandatory and cannot be switched off', $3), 'Leave it on, or drop "mandatory" from its header.');
  ELSIF $5 IS DISTINCT FROM '*' AND NOT EXISTS (SELECT FROM herald.method m WHERE m.name = $5) THEN
    PERFORM herald.reject('HE004', 'method', format('unknown method "%s"', left($5, 200)), 'Methods are the rows of herald.method; ''*'' means all of them.');
  END IF;
  PERFORM set_config('herald.changed_by', $6, true);
  INSERT INTO herald.preference AS p (recipient_id, scope, subject, method, enabled) VALUES ($1, $2, coalesce($3, ''), $5, $4)
  ON CONFLICT ON CONSTRAINT preference_recipient_id_scope_subject_method_pk DO UPDATE SET enabled = EXCLUDED.enabled, updated_at = now();
  PERFORM set_config('herald.changed_by', '', true);
END
$$;

-- The same for clients: it returns what set_preference refuses, because an error would abort the caller's transaction.
-- drops: herald.try_preference(text, text, text, boolean, text)
CREATE OR REPLACE FUNCTION herald.try_preference(recipient_id text, scope text, subject text, enabled boolean, method text, changed_by text DEFAULT 'sql')
RETURNS TABLE (place text, message text)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  hint text;
BEGIN
  PERFORM herald.set_preference($1, $2, $3, $4, $5, $6);
EXCEPTION WHEN SQLSTATE 'HE001' OR SQLSTATE 'HE003' OR SQLSTATE 'HE004' OR SQLSTATE 'HE006' THEN
  GET STACKED DIAGNOSTICS place = COLUMN_NAME, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  message := format('%s. %s', message, hint);
  RETURN NEXT;
END
$$;

-- Returns what a recipient gets at present: a row per template and method. decided_by names the rule that decided.
CREATE OR REPLACE FUNCTION herald.preferences(recipient_id text)
RETURNS TABLE (template text, template_group text, method text, enabled boolean, mandatory boolean, decided_by text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
  SELECT t.name, t."group", m.name,
    t.enabled AND m.enabled AND (t.mandatory OR coalesce(c.enabled, t.enabled_by_default)),
    t.mandatory, CASE
      WHEN NOT t.enabled THEN 'template_disabled'
      WHEN NOT m.enabled THEN 'method_disabled'
      WHEN t.mandatory THEN 'mandatory'
      WHEN c.enabled IS NOT NULL THEN 'preference'
      ELSE 'default' END
  FROM herald.template t
  JOIN herald.method m ON m.name = ANY (coalesce(t.methods_override, t.methods,
    (SELECT ARRAY(SELECT jsonb_array_elements_text(s.value)) FROM herald.setting s WHERE s.key = 'methods'), ARRAY['smtp']))
  LEFT JOIN LATERAL herald.choice_of($1, t.name, t."group", m.name) AS c ON true
  ORDER BY t."group", t.name, m.name
$$;
