-- Brings the recipients of open attempts up to date with what the application's recipient guard returned, which may
-- have another email, name or locale. changes: [{"id", "token", "email", "name", "locale"}]; null changes nothing,
-- and neither does a name or locale that enqueue would refuse. After an attempt of unknown end only the email changes:
-- a copy that may have arrived has the same text.
-- Returns each recipient as it is now, and the reason why nothing may be sent to it. SECURITY DEFINER: a worker cannot
-- write recipients otherwise, and this only where it has the lease.
CREATE OR REPLACE FUNCTION herald.readdress(changes jsonb)
RETURNS TABLE (message_id uuid, recipient jsonb, reason text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  WITH wanted AS MATERIALIZED (
    SELECT m.id, d.name AS method, d.requires, d.erased_key, t.mandatory,
      m.recipient || jsonb_strip_nulls(jsonb_build_object('email', nullif(btrim(i.email, E' \t\r\n'), ''),
        'name', CASE WHEN m.unknowns = 0 AND herald.is_line(to_jsonb(i.name), 200) THEN i.name END,
        'locale', CASE WHEN m.unknowns = 0 AND herald.is_line(to_jsonb(i.locale), 35) THEN i.locale END)) AS recipient
    FROM jsonb_to_recordset($1) AS i (id uuid, token uuid, email text, name text, locale text)
    JOIN herald.message m ON m.id = i.id AND m.status = 'sending' AND m.lease_token = i.token
    JOIN herald.method d ON d.name = m.method
    JOIN herald.template t ON t.name = m.template
  ), judged AS MATERIALIZED (
    SELECT w.*, nullif(herald.normalize_address(w.recipient ->> w.requires), '') AS address, CASE
        WHEN NOT herald.is_recipient(w.recipient, ARRAY['id', 'email', 'name', 'locale', 'timeZone'] || w.requires)
          OR w.requires = 'email' AND NOT coalesce(herald.is_address(w.recipient ->> 'email'), true) THEN 'invalid_address'
        WHEN s.cause IS NOT NULL THEN 'suppressed' END AS reason
    FROM wanted w
    LEFT JOIN LATERAL herald.suppression_of(w.method, herald.normalize_address(w.recipient ->> w.requires), w.erased_key,
      w.mandatory) s ON true
  ), changed AS (
    UPDATE herald.message m SET recipient = j.recipient, address = j.address
    FROM judged j WHERE m.id = j.id AND j.reason IS DISTINCT FROM 'invalid_address'
  )
  SELECT j.id, j.recipient, j.reason FROM judged j
$$;
