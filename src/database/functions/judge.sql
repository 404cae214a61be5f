DO $$
BEGIN
  IF to_regtype('herald.judgement') IS NULL THEN
    CREATE TYPE herald.judgement AS (id text, address text, position bigint, method text, ordinal bigint, scope text, reason text, endpoint uuid, number bigint);
  END IF;
END
$$;

-- Why a message is not to be sent; null: it is. A plain expression, like those of the next two: the planner writes it where the call stands.
CREATE OR REPLACE FUNCTION herald.reason_against(expired boolean, template_enabled boolean, method_enabled boolean, requires text, recipient jsonb, lenient boolean,
  suppressed boolean, endpoint_enabled boolean, endpoint_subscribed boolean, mandatory boolean, choice boolean, enabled_by_default boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE
    WHEN expired THEN 'expired'
    WHEN NOT template_enabled THEN 'template_disabled'
    WHEN NOT method_enabled THEN 'method_disabled'
    WHEN requires IS NOT NULL AND coalesce(recipient ->> requires, '') = '' THEN 'no_address'
    WHEN lenient AND requires = 'email' AND NOT herald.is_address(recipient ->> 'email') THEN 'invalid_address'
    WHEN suppressed THEN 'suppressed'
    WHEN NOT endpoint_enabled THEN 'endpoint_disabled'
    WHEN NOT endpoint_subscribed THEN 'not_subscribed'
    WHEN mandatory OR choice THEN NULL
    WHEN NOT choice THEN 'preference'
    WHEN NOT enabled_by_default THEN 'default_off'
  END
$$;
