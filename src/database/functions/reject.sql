-- Raises an error about the input. The codes: HE001 template, HE002 labels, HE003 recipients, HE004 methods, HE005
-- size, HE006 options. COLUMN has the path to the wrong value. No message repeats a possible address or secret, and
-- none is long, although names of options and labels may be.
CREATE OR REPLACE FUNCTION herald.reject(code text, path text, message text, hint text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, COLUMN = left(path, 300), MESSAGE = format('herald: %s', left(message, 1000)), HINT = hint;
END
$$;
