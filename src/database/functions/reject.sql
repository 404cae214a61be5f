-- Raises an error about the input. The codes: HE001 template, HE002 labels, HE003 recipients, HE004 methods, HE005
-- size, HE006 options. COLUMN has the path to the wrong value. No message repeats a possible address or secret.
CREATE OR REPLACE FUNCTION herald.reject(code text, path text, message text, hint text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, COLUMN = path, MESSAGE = format('herald: %s', message), HINT = hint;
END
$$;
