-- Returns whether this is a valid recipient, apart from its address: the fast check. herald.reject_recipient says what
-- is wrong with an invalid one.
CREATE OR REPLACE FUNCTION herald.is_recipient(value jsonb, fields text[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'object' THEN
    value - fields = '{}'
    AND pg_column_size(value) <= 4096
    AND NOT value @? 'strict $.* ? (@.type() != "string" && @.type() != "number" || @ like_regex "[\\u0001-\\u001f\\u007f-\\u009f]")'
    AND coalesce(length(value ->> 'id') BETWEEN 1 AND 200, false)
    AND coalesce(length(value ->> 'name') <= 200, true)
    AND coalesce(length(value ->> 'locale') <= 35, true)
    AND coalesce(length(value ->> 'timeZone') <= 64, true)
  ELSE false END
$$;

CREATE OR REPLACE FUNCTION herald.reject_recipient(value jsonb, fields text[], path text) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  stray CONSTANT text := (SELECT f FROM jsonb_object_keys(CASE jsonb_typeof(value) WHEN 'object' THEN value - fields ELSE '{}' END) AS f LIMIT 1);
  wrong CONSTANT text := CASE
    WHEN jsonb_typeof(value) <> 'object' OR pg_column_size(value) > 4096 THEN NULL
    WHEN stray IS NOT NULL THEN stray
    WHEN NOT coalesce(jsonb_typeof(value -> 'id') = 'number' OR herald.is_line(value -> 'id', 200), false) THEN 'id'
    WHEN length(value ->> 'name') > 200 THEN 'name'
    WHEN length(value ->> 'locale') > 35 THEN 'locale'
    WHEN length(value ->> 'timeZone') > 64 THEN 'timeZone'
    ELSE coalesce((SELECT f.key FROM jsonb_each(value) AS f WHERE NOT (jsonb_typeof(f.value) = 'number' OR f.value = '""' OR herald.is_line(f.value, 4096)) LIMIT 1), 'email') END;
BEGIN
  RETURN herald.reject('HE003', concat_ws('.', path, wrong), concat_ws('.', path, wrong) || CASE
      WHEN jsonb_typeof(value) <> 'object' THEN ' must be an object'
      WHEN wrong IS NULL THEN ' is larger than 4096 bytes'
      WHEN wrong = stray THEN ' is not a known field'
      WHEN wrong IN ('id', 'name') THEN ' must be one line of 200 characters at most'
      WHEN wrong = 'locale' THEN ' must be a language tag of 35 characters at most'
      WHEN wrong = 'timeZone' THEN ' must be a time zone of 64 characters at most'
      WHEN wrong = 'email' THEN ' must be one plain address such as name@example.com'
      ELSE ' must be one line of text' END,
    format('A recipient has an id and, as far as they are known, %s.', array_to_string(array_remove(fields, 'id'), ', ')));
END
$$;

-- Returns a recipient without empty fields and with numbers as text.
CREATE OR REPLACE FUNCTION herald.tidy_recipient(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT jsonb_object_agg(f.key, f.value) FROM jsonb_each_text(value) AS f WHERE f.value <> ''
$$;

CREATE OR REPLACE FUNCTION herald.stored_recipient(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN value @? 'strict $.* ? (@ == "" || @.type() == "number")' THEN herald.tidy_recipient(value) ELSE value END
$$;

-- Checks the recipients of a notification and returns them as an array, without null fields and without white space
-- around addresses. An invalid address passes, and its message is inhibited, unless invalid_address is 'reject'.
CREATE OR REPLACE FUNCTION herald.check_recipients(recipients jsonb, fields text[], invalid_address text) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  checked jsonb := jsonb_strip_nulls(CASE jsonb_typeof(recipients) WHEN 'array' THEN recipients ELSE jsonb_build_array(recipients) END);
BEGIN
  -- The usual case, a call with one recipient: expressions without the two queries.
  IF jsonb_array_length(checked) = 1 AND herald.is_recipient(checked -> 0, fields)
      AND coalesce((checked -> 0 ->> 'email') !~ '^\s|\s$', true) AND invalid_address IS DISTINCT FROM 'reject' THEN
    RETURN checked;
  END IF;
  IF EXISTS (SELECT FROM jsonb_array_elements(checked) AS r WHERE r.value ->> 'email' ~ '^\s|\s$') THEN
    checked := (SELECT jsonb_agg(CASE WHEN r.value ->> 'email' ~ '^\s|\s$'
      THEN jsonb_set(r.value, '{email}', to_jsonb(regexp_replace(r.value ->> 'email', '^\s+|\s+$', '', 'g'))) ELSE r.value END ORDER BY r.position)
      FROM jsonb_array_elements(checked) WITH ORDINALITY AS r (value, position));
  END IF;
  PERFORM herald.reject_recipient(r.value, fields,
    CASE jsonb_typeof(recipients) WHEN 'array' THEN format('to[%s]', r.position - 1) ELSE 'to' END)
  FROM jsonb_array_elements(checked) WITH ORDINALITY AS r (value, position)
  WHERE NOT herald.is_recipient(r.value, fields)
    OR invalid_address = 'reject' AND coalesce(r.value ->> 'email', '') <> ''
      AND NOT herald.is_address(r.value ->> 'email')
  LIMIT 1;
  RETURN checked;
END
$$;

-- Refuses a notification that would write too much, before it writes anything: more than 200,000 messages, or more than
-- 256 MiB of what each message stores of the notification. Endpoints without a recipient or tenant multiply the
-- messages.
CREATE OR REPLACE FUNCTION herald.check_volume(recipients bigint, methods text[], has_endpoints boolean, options jsonb, secrets jsonb) RETURNS void
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  max_messages CONSTANT bigint := 200000;
  max_bytes CONSTANT bigint := 268435456;
  messages bigint := recipients * cardinality(methods);
  bytes bigint;
BEGIN
  IF has_endpoints THEN
    messages := recipients * (SELECT sum(greatest(1, (
      SELECT count(*) FROM (
        SELECT FROM herald.endpoint e
        WHERE e.method = m AND e.recipient_id IS NULL AND (e.tenant IS NULL OR e.tenant = options ->> 'tenant') LIMIT 1000) e)))
      FROM unnest(methods) AS m);
  END IF;
  IF messages > max_messages THEN
    PERFORM herald.reject('HE003', 'to', format('%s recipients make up to %s messages, the limit of one call is %s', recipients, messages, max_messages),
      'Enqueue in several calls.');
  END IF;
  bytes := messages * octet_length(concat(options -> 'targets', secrets, options ->> 'unsubscribeUrl', options ->> 'groupKey',
    options ->> 'dedupeKey', options ->> 'createdBy', options ->> 'tenant'));
  IF bytes > max_bytes THEN
    PERFORM herald.reject('HE005', 'to',
      format('targets, secret labels, keys and URLs of %s messages are %s bytes, the limit is %s', messages, bytes, max_bytes),
      'Enqueue in several calls, or pass what all recipients share as labels or data.');
  END IF;
END
$$;
