-- Returns the form in which the address of an erased person is suppressed. The key is in the database, because every
-- enqueue compares with it; it keeps those who see the row, and not the key, from trying addresses.
CREATE OR REPLACE FUNCTION herald.erased_address(address text, erased_key bytea) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT 'erased:' || encode(sha256($2 || sha256($2 || convert_to($1, 'UTF8'))), 'hex')
$$;

-- Returns the cause for which a method must not use an address, or no row. Mandatory messages stop only where the
-- mailbox is dead or an operator decided it. The planner inlines this function after LATERAL, as herald.choice_of.
CREATE OR REPLACE FUNCTION herald.suppression_of(method text, address text, erased_key bytea, mandatory boolean) RETURNS TABLE (cause text)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT s.cause
  FROM herald.suppression s
  WHERE s.method = $1
    AND s.address = ANY (CASE WHEN $3 IS NULL THEN ARRAY[$2] ELSE ARRAY[$2, herald.erased_address($2, $3)] END)
    AND s.suppressed_at IS NOT NULL AND (s.expires_at IS NULL OR s.expires_at > now())
    AND (NOT $4 OR s.cause IN ('dead', 'operator'))
  LIMIT 1
$$;

-- Counts a report that there is no such mailbox. The second one suppresses the address if it comes a day after the
-- first or later, and no message to the address was accepted between the two: a single report may be a passing fault of
-- the receiver. An email that was returned later was not accepted. Returns whether this report suppressed the address.
CREATE OR REPLACE FUNCTION herald.count_dead(method text, address text, reason text, message_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  mailbox CONSTANT text := herald.normalize_address($2);
  -- When this message was refused, or accepted and then returned.
  happened_at CONSTANT timestamptz := coalesce((SELECT m.settled_at FROM herald.message m WHERE m.id = $4), now());
  earlier herald.suppression;
  begins boolean;
  suffices boolean;
BEGIN
  INSERT INTO herald.suppression (method, address, cause, reason, hits) VALUES ($1, mailbox, 'dead', $3, 1) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    RETURN false;
  END IF;
  SELECT s.* INTO earlier FROM herald.suppression s WHERE s.method = $1 AND s.address = mailbox FOR UPDATE;
  begins := earlier.hits = 0 OR EXISTS (
    SELECT FROM herald.message m
    WHERE m.address = mailbox AND m.method = $1 AND m.status = 'sent' AND m.id <> $4
      AND m.created_at > earlier.first_at - interval '14 days' AND m.settled_at > earlier.first_at AND m.settled_at < happened_at
      AND NOT EXISTS (SELECT FROM herald.report r WHERE r.message_id = m.id AND r.kind = 'bounce'));
  suffices := NOT begins AND earlier.first_at <= now() - interval '24 hours';
  UPDATE herald.suppression s
  SET hits = CASE WHEN begins THEN 1 ELSE s.hits + 1 END, first_at = CASE WHEN begins THEN now() ELSE s.first_at END, last_at = now(),
    cause = CASE WHEN s.cause = 'operator' OR (NOT suffices AND s.suppressed_at IS NOT NULL) THEN s.cause ELSE 'dead' END,
    reason = CASE WHEN s.cause = 'operator' OR (NOT suffices AND s.suppressed_at IS NOT NULL) THEN s.reason ELSE $3 END,
    suppressed_at = CASE WHEN suffices THEN coalesce(s.suppressed_at, now()) ELSE s.suppressed_at END,
    expires_at = CASE WHEN suffices AND s.cause <> 'operator' THEN NULL ELSE s.expires_at END
  WHERE s.method = $1 AND s.address = mailbox;
  RETURN coalesce(suffices AND earlier.suppressed_at IS NULL, false);
END
$$;

-- Suppresses an address because the person reported a message as spam. A stronger cause stays.
CREATE OR REPLACE FUNCTION herald.suppress_complainer(method text, address text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO herald.suppression AS s (method, address, cause, reason, suppressed_at)
  VALUES ($1, herald.normalize_address($2), 'complaint', 'complaint', now())
  ON CONFLICT ON CONSTRAINT suppression_method_address_pk DO UPDATE SET cause = 'complaint', reason = 'complaint', suppressed_at = now(), expires_at = NULL,
    last_at = now()
  WHERE s.suppressed_at IS NULL OR s.cause = 'soft'
$$;

-- Counts a report that a mailbox takes nothing at present. Three messages within 14 days, with none accepted since the
-- first of them, suppress the address for 14 days. The reports are rows already. Returns whether this one suppressed
-- the address.
CREATE OR REPLACE FUNCTION herald.count_soft(method text, address text, reason text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  mailbox CONSTANT text := herald.normalize_address($2);
  returned bigint;
BEGIN
  WITH sent AS (
    SELECT m.settled_at, r.at, r.effect
    FROM herald.message m
    LEFT JOIN LATERAL (SELECT r.at, r.effect FROM herald.report r WHERE r.message_id = m.id AND r.kind = 'bounce' ORDER BY r.at LIMIT 1) r ON true
    WHERE m.address = mailbox AND m.method = $1 AND m.status = 'sent' AND m.created_at > now() - interval '28 days'
  ), latest AS (
    SELECT max(s.settled_at) FILTER (WHERE s.effect = 'soft') AS returned_at FROM sent s
  ), accepted AS (
    SELECT max(s.settled_at) AS at FROM sent s, latest l WHERE s.effect IS NULL AND s.settled_at < l.returned_at
  )
  SELECT count(*) INTO returned FROM sent s, accepted a
  WHERE s.effect = 'soft' AND s.at > now() - interval '14 days' AND s.settled_at > coalesce(a.at, '-infinity');
  IF returned < 3 THEN
    RETURN false;
  END IF;
  INSERT INTO herald.suppression AS s (method, address, cause, reason, suppressed_at, expires_at)
  VALUES ($1, mailbox, 'soft', $3, now(), now() + interval '14 days')
  ON CONFLICT ON CONSTRAINT suppression_method_address_pk DO UPDATE SET cause = 'soft', reason = $3, suppressed_at = now(),
    expires_at = now() + interval '14 days', last_at = now()
  WHERE s.suppressed_at IS NULL OR s.cause = 'soft';
  RETURN FOUND;
END
$$;

-- Returns every form in which an address may be suppressed: itself, and what is left of it after its person was erased.
CREATE OR REPLACE FUNCTION herald.suppressed_forms(address text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT array_append(array_agg(herald.erased_address(herald.normalize_address($1), m.erased_key)), herald.normalize_address($1))
  FROM herald.method m WHERE m.erased_key IS NOT NULL
$$;

-- Lets a method use an address again; with a cause, only if it is suppressed for that. Returns whether it was listed.
CREATE OR REPLACE FUNCTION herald.lift_suppression(method text, address text, cause text DEFAULT NULL) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  WITH lifted AS (
    DELETE FROM herald.suppression s
    WHERE s.method = $1 AND s.address = ANY (herald.suppressed_forms($2)) AND ($3 IS NULL OR s.cause = $3)
    RETURNING s.address
  )
  SELECT EXISTS (SELECT FROM lifted)
$$;

-- Replaces suppressed addresses of an erased person by their hash, and deletes what was only counted.
CREATE OR REPLACE FUNCTION herald.erase_suppressions(mailboxes text[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE herald.method m SET erased_key = sha256(convert_to(gen_random_uuid() || ' ' || gen_random_uuid(), 'UTF8'))
  WHERE m.erased_key IS NULL AND EXISTS (
    SELECT FROM herald.suppression s
    WHERE s.method = m.name AND s.address = ANY ($1) AND s.suppressed_at IS NOT NULL AND s.cause <> 'soft');
  WITH gone AS (
    DELETE FROM herald.suppression s WHERE s.address = ANY ($1) RETURNING s.*
  )
  INSERT INTO herald.suppression AS s (method, address, cause, reason, hits, first_at, last_at, suppressed_at)
  SELECT g.method, herald.erased_address(g.address, m.erased_key), g.cause, g.cause, g.hits, g.first_at, g.last_at, g.suppressed_at
  FROM gone g JOIN herald.method m ON m.name = g.method
  WHERE g.suppressed_at IS NOT NULL AND g.cause <> 'soft'
  ON CONFLICT ON CONSTRAINT suppression_method_address_pk DO UPDATE
    SET cause = CASE WHEN s.cause = 'complaint' THEN EXCLUDED.cause ELSE s.cause END, last_at = EXCLUDED.last_at
$$;
