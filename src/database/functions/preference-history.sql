-- Adds a row to the history for each change of a preference, also one that was made without our functions. Nothing is
-- added where the choice stays the same.
CREATE OR REPLACE FUNCTION herald.record_preference() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changed_by CONSTANT text := coalesce(nullif(current_setting('herald.changed_by', true), ''), 'sql');
BEGIN
  IF TG_OP = 'DELETE'
    OR (TG_OP = 'UPDATE' AND (OLD.recipient_id, OLD.scope, OLD.subject, OLD.method) <> (NEW.recipient_id, NEW.scope, NEW.subject, NEW.method)) THEN
    INSERT INTO herald.preference_history (recipient_id, scope, subject, method, enabled, changed_by)
    VALUES (OLD.recipient_id, OLD.scope, OLD.subject, OLD.method, NULL, changed_by);
  ELSIF TG_OP = 'UPDATE' AND OLD.enabled = NEW.enabled THEN
    RETURN NULL;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO herald.preference_history (recipient_id, scope, subject, method, enabled, changed_by)
    VALUES (NEW.recipient_id, NEW.scope, NEW.subject, NEW.method, NEW.enabled, changed_by);
  END IF;
  RETURN NULL;
END
$$;

DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'herald.preference'::regclass AND tgname = 'record_preference') THEN
    CREATE TRIGGER record_preference AFTER INSERT OR UPDATE OR DELETE ON herald.preference
      FOR EACH ROW EXECUTE FUNCTION herald.record_preference();
  END IF;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END
$$;

-- Returns the preference that decided at that time whether a recipient got a template by a method, with who had set it
-- and when; no row if there was none, so that the template's default applied. The same order as in choice_of.
CREATE OR REPLACE FUNCTION herald.choice_at(recipient_id text, template text, template_group text, method text, moment timestamptz)
RETURNS TABLE (scope text, subject text, by_method text, enabled boolean, changed_by text, database_user text, since timestamptz)
LANGUAGE sql STABLE
AS $$
  SELECT c.scope, c.subject, c.method, c.enabled, c.changed_by, c.database_user, c.at
  FROM (
    SELECT DISTINCT ON (h.scope, h.subject, h.method) h.*
    FROM herald.preference_history h
    WHERE h.recipient_id = $1 AND h.at <= $5 AND h.method IN ($4, '*')
      AND ((h.scope = 'template' AND h.subject = $2) OR (h.scope = 'group' AND h.subject = $3) OR h.scope = 'all')
    ORDER BY h.scope, h.subject, h.method, h.id DESC
  ) c
  WHERE c.enabled IS NOT NULL
  ORDER BY c.scope DESC, c.subject DESC, c.method DESC
  LIMIT 1
$$;
