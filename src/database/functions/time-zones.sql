-- Returns the name under which Postgres has an IANA time zone; null for every other text, without an error. Postgres
-- itself takes more than IANA has: any text in the form of POSIX, where "UTC+2" is west of Greenwich, and
-- abbreviations, where "CET" has no summer time although the zone of that name has. So a name must have the form of
-- IANA's, and the old names without an area are written as what they are links to. An offset such as "+05:30" counts as
-- in ISO 8601 and in JavaScript: east of Greenwich.
CREATE OR REPLACE FUNCTION herald.known_zone(zone text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  areas CONSTANT text[] := '{africa,america,antarctica,arctic,asia,atlantic,australia,brazil,canada,chile,etc,europe,'
    'indian,mexico,pacific,us}';
  lowered CONSTANT text := lower(zone COLLATE "C");
  name text := zone;
BEGIN
  -- Without a regular expression, which costs more than all the rest.
  IF split_part(lowered, '/', 1) = ANY (areas) AND lowered LIKE '%_/_%' AND lowered NOT LIKE '%//%'
      AND translate(lowered, 'abcdefghijklmnopqrstuvwxyz_-/', '') = '' THEN
    NULL;
  ELSIF lowered ~ '^etc/gmt([+-]([0-9]|1[0-4])|0)$' THEN
    NULL;
  ELSIF zone ~ '^[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?$' THEN
    name := format('<%s>%s%s:%s', zone, translate(left(zone, 1), '+-', '-+'), substr(zone, 2, 2),
      coalesce(nullif(right(substr(zone, 4), 2), ''), '00'));
  ELSE
    name := '{"cet": "Europe/Brussels", "cst6cdt": "America/Chicago", "cuba": "America/Havana", "eet": "Europe/Athens",
      "egypt": "Africa/Cairo", "eire": "Europe/Dublin", "est": "America/Panama", "est5edt": "America/New_York",
      "gb": "Europe/London", "gb-eire": "Europe/London", "gmt": "Etc/GMT", "gmt+0": "Etc/GMT", "gmt-0": "Etc/GMT",
      "gmt0": "Etc/GMT", "greenwich": "Etc/GMT", "hongkong": "Asia/Hong_Kong", "hst": "Pacific/Honolulu",
      "iceland": "Atlantic/Reykjavik", "iran": "Asia/Tehran", "israel": "Asia/Jerusalem", "jamaica": "America/Jamaica",
      "japan": "Asia/Tokyo", "kwajalein": "Pacific/Kwajalein", "libya": "Africa/Tripoli", "met": "Europe/Brussels",
      "mst": "America/Phoenix", "mst7mdt": "America/Denver", "navajo": "America/Denver", "nz": "Pacific/Auckland",
      "nz-chat": "Pacific/Chatham", "poland": "Europe/Warsaw", "portugal": "Europe/Lisbon", "prc": "Asia/Shanghai",
      "pst8pdt": "America/Los_Angeles", "roc": "Asia/Taipei", "rok": "Asia/Seoul", "singapore": "Asia/Singapore",
      "turkey": "Europe/Istanbul", "uct": "Etc/UTC", "universal": "Etc/UTC", "utc": "Etc/UTC", "w-su": "Europe/Moscow",
      "wet": "Europe/Lisbon", "zulu": "Etc/UTC"}'::jsonb ->> lowered;
  END IF;
  RETURN CASE WHEN now() AT TIME ZONE name IS NOT NULL THEN name END;
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN NULL;
END
$$;
