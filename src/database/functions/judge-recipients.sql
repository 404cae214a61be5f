-- Returns why a message must not be sent, or null. A plain expression, so that the planner puts it where the call is.
CREATE OR REPLACE FUNCTION herald.reason_against(expired boolean, template_enabled boolean, method_enabled boolean, requires text,
  recipient jsonb, suppressed boolean, endpoint_enabled boolean, endpoint_subscribed boolean, mandatory boolean, preference boolean,
  enabled_by_default boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE
    WHEN expired THEN 'expired'
    WHEN NOT template_enabled THEN 'template_disabled'
    WHEN NOT method_enabled THEN 'method_disabled'
    WHEN requires IS NOT NULL AND coalesce(recipient ->> requires, '') = '' THEN 'no_address'
    WHEN requires = 'email' AND NOT herald.is_address(recipient ->> 'email') THEN 'invalid_address'
    WHEN suppressed THEN 'suppressed'
    WHEN NOT endpoint_enabled THEN 'endpoint_disabled'
    WHEN NOT endpoint_subscribed THEN 'not_subscribed'
    WHEN mandatory OR preference THEN NULL
    WHEN NOT preference THEN 'preference'
    WHEN NOT enabled_by_default THEN 'default_off'
  END
$$;

-- Returns one row per message that the recipients get, with the reason why it must not be sent. Sorted by recipient, so
-- that two calls with one dedupe key wait for each other instead of deadlocking. If a recipient is given twice, the
-- first counts; of the methods of a fallback, the first without a reason. The planner inlines this function into
-- herald.write_messages.
CREATE OR REPLACE FUNCTION herald.judge_recipients(recipients jsonb, methods text[], has_endpoints boolean, template herald.template,
  tenant text, expired boolean)
RETURNS TABLE (recipient_id text, recipient jsonb, address text, "position" bigint, method text, ordinal bigint, dedupe_scope text,
  endpoint_id uuid, endpoint_number bigint, reason text)
LANGUAGE sql STABLE
AS $$
  SELECT DISTINCT ON (j.recipient_id COLLATE "C", j.dedupe_scope COLLATE "C") j.*
  FROM (
    SELECT r.id AS recipient_id, r.recipient, nullif(herald.normalize_address(r.recipient ->> m.requires), '') AS address, r.position, m.name AS method, c.ordinal,
      CASE WHEN ($4).fallback = 'first' THEN '*' WHEN e.id IS NULL THEN m.name ELSE m.name || ':' || e.id END AS dedupe_scope,
      e.id AS endpoint_id, coalesce(e.number, 0) AS endpoint_number,
      herald.reason_against($6, ($4).enabled, m.enabled, m.requires, r.recipient, s.cause IS NOT NULL, e.enabled, e.subscribed,
        ($4).mandatory, p.enabled, ($4).enabled_by_default) AS reason
    FROM (
      SELECT e.value ->> 'id' AS id, e.value AS recipient, e.position FROM jsonb_array_elements($1) WITH ORDINALITY AS e (value, position)
    ) r
    CROSS JOIN unnest($2) WITH ORDINALITY AS c (name, ordinal)
    JOIN herald.method m ON m.name = c.name
    LEFT JOIN LATERAL herald.suppression_of(m.name, herald.normalize_address(r.recipient ->> m.requires), m.erased_key, ($4).mandatory) s ON true
    LEFT JOIN LATERAL herald.choice_of(r.id, ($4).name, ($4)."group", m.name) p ON true
    LEFT JOIN LATERAL herald.endpoints_of(r.id, $5, ($4)."group", m.name) e ON $3
  ) j
  ORDER BY j.recipient_id COLLATE "C", j.dedupe_scope COLLATE "C", j.position, j.reason IS NOT NULL, j.ordinal, j.endpoint_number
$$;

-- The same for one recipient, one method and no endpoints. The planner inlines it into herald.write_message.
-- drops: herald.judge_recipient(jsonb, text, herald.template, boolean)
CREATE OR REPLACE FUNCTION herald.judge_recipient(recipient jsonb, method text, template herald.template,
  expired boolean)
RETURNS TABLE (address text, reason text)
LANGUAGE sql STABLE
AS $$
  SELECT nullif(herald.normalize_address($1 ->> m.requires), ''),
    herald.reason_against($4, ($3).enabled, m.enabled, m.requires, $1, s.cause IS NOT NULL, NULL, NULL,
      ($3).mandatory, p.enabled, ($3).enabled_by_default)
  FROM herald.method m
  LEFT JOIN LATERAL herald.suppression_of(m.name, herald.normalize_address($1 ->> m.requires), m.erased_key,
    ($3).mandatory) s ON true
  LEFT JOIN LATERAL herald.choice_of($1 ->> 'id', ($3).name, ($3)."group", m.name) p ON true
  WHERE m.name = $2
  -- Keeps the planner from putting the expression wherever the reason is used.
  OFFSET 0
$$;
