-- Returns what a tenant has of the brand, or null: for the pages of recipients, whose role reads no table.
CREATE OR REPLACE FUNCTION herald.tenant_brand(tenant text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.brand FROM herald.tenant t WHERE t.id = $1
$$;

-- Returns recipients with the locale and the time zone of the tenant, where they have none of their own: so that the
-- snapshot of each message says in which language and at which hours its recipient reads.
CREATE OR REPLACE FUNCTION herald.with_tenant_defaults(recipients jsonb, tenant text) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  defaults CONSTANT jsonb := (SELECT jsonb_strip_nulls(jsonb_build_object('locale', t.locale, 'timeZone', t.time_zone))
    FROM herald.tenant t WHERE t.id = tenant);
BEGIN
  IF defaults IS NULL OR defaults = '{}' THEN
    RETURN recipients;
  END IF;
  RETURN (SELECT coalesce(jsonb_agg(defaults || herald.stored_recipient(r.value) ORDER BY r.position), '[]')
    FROM jsonb_array_elements(recipients) WITH ORDINALITY AS r (value, position));
END
$$;
