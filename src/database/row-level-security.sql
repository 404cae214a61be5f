-- Row-level security by tenant: pg-herald migrate --row-level-security. A session of the role herald_tenant reads the
-- rows of the tenant that its setting herald.tenant names, and none without it. The other roles see what they saw
-- before, and a role with neither sees nothing. Functions run as the owner, whom no policy concerns. Safe to repeat: a
-- policy is only written if it changed, because that locks the table.
DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
  of_message CONSTANT text := 'EXISTS (SELECT FROM herald.message m WHERE m.id = %I.message_id)';
  of_notification CONSTANT text := 'EXISTS (SELECT FROM herald.message m WHERE m.notification_id = %s)';
  setting CONSTANT text := 'nullif(current_setting(''herald.tenant'', true), '''')';
  protected record;
  hidden CONSTANT text[] := '{message.secrets,endpoint.sealed,attachment.content}';
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'herald_tenant') THEN
      CREATE ROLE herald_tenant NOLOGIN;
    END IF;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN
    -- Another database of this server created it at the same moment.
    NULL;
  END;
  REVOKE ALL ON ALL TABLES IN SCHEMA herald FROM herald_tenant;
  GRANT USAGE ON SCHEMA herald TO herald_tenant;
  FOR protected IN
    SELECT c.oid, c.relname AS name, r.rule, c.relrowsecurity AS enabled, (
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT c.relname || '.' || a.attname = ANY (hidden)
      ) AS columns, (
        SELECT obj_description(p.oid, 'pg_policy') FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'herald_tenant'
      ) AS present
    FROM (VALUES
      ('tenant', 'id = ' || setting),
      ('message', 'tenant = ' || setting),
      ('endpoint', 'tenant = ' || setting),
      ('attempt', format(of_message, 'attempt')),
      ('inbox', format(of_message, 'inbox')),
      ('notification', format(of_notification, 'notification.id')),
      ('attachment', format(of_notification, 'attachment.notification_id')),
      -- A preference belongs to a person: to one who got messages of the tenant.
      ('preference', 'EXISTS (SELECT FROM herald.message m WHERE m.recipient_id = preference.recipient_id)'),
      ('hours', 'CASE scope WHEN ''tenant'' THEN subject = ' || setting
        || ' WHEN ''recipient'' THEN EXISTS (SELECT FROM herald.message m WHERE m.recipient_id = hours.subject) END')
    ) AS r (name, rule)
    JOIN pg_class c ON c.relname = r.name AND c.relnamespace = 'herald'::regnamespace
  LOOP
    IF protected.present IS DISTINCT FROM protected.rule OR NOT protected.enabled THEN
      EXECUTE format('ALTER TABLE herald.%I ENABLE ROW LEVEL SECURITY', protected.name);
      EXECUTE format('DROP POLICY IF EXISTS herald_tenant ON herald.%I', protected.name);
      EXECUTE format('DROP POLICY IF EXISTS herald_roles ON herald.%I', protected.name);
      EXECUTE format('CREATE POLICY herald_tenant ON herald.%I FOR SELECT TO herald_tenant USING (%s)',
        protected.name, protected.rule);
      EXECUTE format('CREATE POLICY herald_roles ON herald.%I TO herald_worker, herald_reader, herald_operator '
        || 'USING (true) WITH CHECK (true)', protected.name);
      EXECUTE format('COMMENT ON POLICY herald_tenant ON herald.%I IS %L', protected.name, protected.rule);
    END IF;
    EXECUTE format('GRANT SELECT (%s) ON herald.%I TO herald_tenant', protected.columns, protected.name);
  END LOOP;
  -- What a template is called, for the names in a list of messages.
  GRANT SELECT (name, "group", kind) ON herald.template TO herald_tenant;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END
$$;
