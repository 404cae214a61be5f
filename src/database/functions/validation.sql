-- One line of text. A plain expression, like those of the next functions: the planner inlines it.
CREATE OR REPLACE FUNCTION herald.is_line(value jsonb, longest integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT coalesce(jsonb_typeof(value) = 'string' AND length(value #>> '{}') BETWEEN 1 AND longest
    AND (value #>> '{}') COLLATE "C" !~ '[\u0001-\u001f\u007f-\u009f]', false)
$$;

CREATE OR REPLACE FUNCTION herald.is_number(value jsonb, low numeric, high numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'number' THEN value::numeric BETWEEN low AND high ELSE false END
$$;

-- The length of a percent-encoded URL: a byte that is not ASCII takes three characters.
CREATE OR REPLACE FUNCTION herald.ascii_length(url text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT octet_length(url) + 2 * octet_length(regexp_replace(url, '[\u0001-\u007f]+', '', 'g'))
$$;

CREATE OR REPLACE FUNCTION herald.is_url(value jsonb, schemes text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT coalesce(jsonb_typeof(value) = 'string' AND length(value #>> '{}') <= 2000
    AND (value #>> '{}') COLLATE "C" ~* ('^(' || schemes || ')[^\u0001-\u0020\u007f-\u00a0"<>\\^`{|}]+$'), false)
$$;

CREATE OR REPLACE FUNCTION herald.are_strings(members jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT jsonb_typeof(members) = 'object' AND NOT members @? 'strict $.* ? (@.type() != "string")'
$$;

CREATE OR REPLACE FUNCTION herald.are_lines(elements jsonb, fewest integer, most integer, longest integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  IF jsonb_typeof(elements) <> 'array' OR jsonb_array_length(elements) NOT BETWEEN fewest AND most THEN
    RETURN false;
  END IF;
  FOR i IN 0 .. jsonb_array_length(elements) - 1 LOOP
    IF NOT herald.is_line(elements -> i, longest) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION herald.are_actions(elements jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  IF jsonb_typeof(elements) <> 'array' OR jsonb_array_length(elements) > 10 THEN
    RETURN false;
  END IF;
  FOR i IN 0 .. jsonb_array_length(elements) - 1 LOOP
    IF NOT (herald.are_strings(elements -> i) AND herald.is_line(elements -> i -> 'label', 200)
      AND herald.is_url(elements -> i -> 'url', 'https?://|mailto:')
      AND (elements -> i ->> 'url') !~* '^https?://[^/?#]*@' AND herald.ascii_length(elements -> i ->> 'url') <= 4096) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END
$$;

-- Returns an address as it is stored for look-ups: in lower case by the rule of ASCII, because a database with a
-- Turkish locale would turn I into a dotless i. COLLATE "default" lets indexes of columns match.
CREATE OR REPLACE FUNCTION herald.normalize_address(address text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT lower(address COLLATE "C") COLLATE "default"
$$;

-- JSON that every reader can take: not nested deeper than 100 levels, and no number that JavaScript reads as infinite.
CREATE OR REPLACE FUNCTION herald.is_readable_json(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT NOT (jsonb_typeof(value) IN ('object', 'array') AND (value @? 'strict $.**{101}'
    OR value @? 'strict $.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))'))
    AND NOT (jsonb_typeof(value) = 'number' AND value @? '$ ? (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308)')
$$;

-- A time between the years 1 and 9999. Not IMMUTABLE: text without an offset means the session's time zone.
CREATE OR REPLACE FUNCTION herald.is_time(value jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN jsonb_typeof(value) = 'string' AND (value #>> '{}')::timestamptz BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 00:00Z';
EXCEPTION WHEN data_exception THEN
  RETURN false;
END
$$;

-- One plain address, RFC 5321 section 4.1.2 with RFC 6531: no quotes, comments, lists or literals. The same rule as
-- `parseAddress`: a property test compares both. The long label is only looked for where there may be one, because a
-- counted pattern is slow. The long class is white space, control and format characters.
CREATE OR REPLACE FUNCTION herald.is_address(address text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT octet_length(address) <= 254 AND octet_length(split_part(address, '@', 1)) <= 64
    AND (octet_length(split_part(address, '@', 2)) < 64 OR split_part(address, '@', 2) COLLATE "C" !~ '[^.]{64}')
    AND split_part(address, '@', 2) COLLATE "C" !~ '(^|\.)(0[xX][0-9a-fA-F]*|[0-9]+)$'
    AND address COLLATE "C" !~ '[\u0001-\u0020\u007f-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]'
    AND address COLLATE "C" ~ '^[^"(),.:;<>@[\\\]]+(\.[^"(),.:;<>@[\\\]]+)*@[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff](-*[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff]|\.[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff])*$'
$$;

-- Returns the position of the first invalid attachment, counted from 0; null if all are valid. Decoding here keeps a
-- broken one out of the table.
CREATE OR REPLACE FUNCTION herald.wrong_attachment(elements jsonb) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
  i integer := 0;
  a jsonb;
BEGIN
  FOR a IN SELECT e.value FROM jsonb_array_elements(elements) WITH ORDINALITY AS e (value, position) ORDER BY e.position LOOP
    IF NOT (herald.are_strings(a) AND a - '{name,contentType,content}'::text[] = '{}' AND herald.is_line(a -> 'name', 200)
      AND (a ->> 'name') !~ '[/\\]' AND coalesce(length(a ->> 'contentType') <= 200, false)
      AND (a ->> 'contentType') COLLATE "C" ~ '^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *; *[A-Za-z0-9!#$&^_.+-]+=([A-Za-z0-9!#$&^_.+-]+|"[A-Za-z0-9_ !#$&''()*+,./:;<=>?@\[\]^{|}~-]*"))*$'
      AND (a ->> 'contentType') !~* '^multipart/' AND decode(a ->> 'content', 'base64') IS NOT NULL) THEN
      RETURN i;
    END IF;
    i := i + 1;
  END LOOP;
  RETURN NULL;
EXCEPTION WHEN invalid_parameter_value OR data_exception THEN
  RETURN i;
END
$$;
