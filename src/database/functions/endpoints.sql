-- Returns the endpoints that a message of one method goes to: the recipient's own, otherwise the tenant's, otherwise
-- those without a recipient or tenant. Endpoints that are disabled or not subscribed to the template's group are
-- included, so that a row can say why nothing was sent. If another endpoint of the same owner is subscribed, those that
-- are not are left out.
CREATE OR REPLACE FUNCTION herald.endpoints_of(recipient_id text, tenant text, template_group text, method text)
RETURNS TABLE (id uuid, number bigint, enabled boolean, subscribed boolean)
LANGUAGE sql STABLE
AS $$
  SELECT o.id, row_number() OVER (ORDER BY o.created_at, o.id) - 1, o.enabled, o.subscribed
  FROM (
    SELECT e.id, e.created_at, e.disabled_at IS NULL AS enabled, e.groups = '{}' OR $3 = ANY (e.groups) AS subscribed,
      rank() OVER (ORDER BY e.recipient_id IS NULL, e.tenant IS NULL) AS owner,
      bool_or(e.groups = '{}' OR $3 = ANY (e.groups)) OVER (PARTITION BY e.recipient_id IS NULL, e.tenant IS NULL) AS any_subscribed
    FROM herald.endpoint e
    WHERE e.method = $4 AND (e.recipient_id = $1 OR e.recipient_id IS NULL AND (e.tenant = $2 OR e.tenant IS NULL))
  ) o
  WHERE o.owner = 1 AND (o.subscribed OR NOT o.any_subscribed)
  ORDER BY o.created_at, o.id LIMIT 1000
$$;
