-- Returns the template that a notification names, and what its current version needs: labels, secret labels, and fields
-- of the data. A template without methods has those of the setting, or smtp.
CREATE OR REPLACE FUNCTION herald.resolve_template(name text, OUT template herald.template, OUT required text[], OUT secret_names text[],
  OUT data_fields text[])
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  current record;
BEGIN
  SELECT t AS template, v.labels, v.secrets, v.data_fields, s.value AS methods INTO current
  FROM herald.template t JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version
  LEFT JOIN herald.setting s ON s.key = 'methods' WHERE t.name = $1;
  IF NOT FOUND THEN
    PERFORM herald.reject('HE001', 'template', format('unknown template "%s"', left($1, 200)),
      'Write templates/<name>.md and run "pg-herald templates sync".');
  END IF;
  template := current.template;
  IF coalesce(template.methods, '{}') = '{}' THEN
    template.methods := '{smtp}';
    IF current.methods <> '[]' THEN
      template.methods := ARRAY(SELECT jsonb_array_elements_text(current.methods));
    END IF;
  END IF;
  required := current.labels;
  secret_names := current.secrets;
  data_fields := current.data_fields;
END
$$;

-- Refuses a notification whose data lacks a field that the template needs. Deeper fields show when it is rendered.
CREATE OR REPLACE FUNCTION herald.check_data(data jsonb, data_fields text[], template herald.template) RETURNS void
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  missing CONSTANT text[] := ARRAY(SELECT f FROM unnest(data_fields) AS f WHERE NOT coalesce(data ? f, false));
BEGIN
  IF cardinality(missing) > 0 THEN
    PERFORM herald.reject('HE002', 'data.' || missing[1],
      format('template "%s" version %s needs "%s" in its data', template.name, template.current_version,
        array_to_string(missing, '", "')),
      'Add it to the data of the notification.');
  END IF;
END
$$;

-- Returns the names of the labels that a template declares secret; null for an unknown template. For clients that
-- encrypt them.
CREATE OR REPLACE FUNCTION herald.secret_labels(template text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT v.secrets FROM herald.template t
  JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version WHERE t.name = $1
$$;

-- Returns the texts of a template's current version, its labels and its secret ones; null for an unknown template. For
-- clients that encrypt labels, and render before they enqueue.
CREATE OR REPLACE FUNCTION herald.current_template(template text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object('name', t.name, 'version', v.version, 'language', v.language, 'title', v.title, 'preview', v.preview,
    'body', v.body, 'actions', v.actions, 'labels', v.labels, 'secrets', v.secrets, 'texts', (
      SELECT jsonb_agg(jsonb_build_object('language', x.language, 'title', x.title, 'preview', x.preview, 'body', x.body,
        'actions', x.actions) ORDER BY x.language)
      FROM herald.template_text x WHERE x.template = v.template AND x.version = v.version))
  FROM herald.template t
  JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version WHERE t.name = $1
$$;

-- Splits the labels of a notification into the readable and the secret ones. A label that the template declares secret
-- is never stored among the others, and is refused in plain text: encrypted labels come in the option "secrets"
-- together with their sealId.
CREATE OR REPLACE FUNCTION herald.split_labels(options jsonb, template herald.template, required text[], secret_names text[],
  OUT labels jsonb, OUT secrets jsonb)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  missing text[];
  plain text;
  undeclared text;
BEGIN
  labels := coalesce(options -> 'labels', '{}');
  secrets := coalesce(options -> 'secrets', '{}');
  IF secrets <> '{}' AND NOT options ? 'sealId' THEN
    plain := (SELECT s FROM jsonb_object_keys(secrets) AS s LIMIT 1);
  END IF;
  IF cardinality(secret_names) > 0 THEN
    plain := coalesce((SELECT l FROM jsonb_object_keys(labels) AS l WHERE l = ANY (secret_names) LIMIT 1), plain);
    secrets := secrets || coalesce((SELECT jsonb_object_agg(l.key, l.value) FROM jsonb_each(labels) l WHERE l.key = ANY (secret_names)), '{}');
    labels := labels - secret_names;
  END IF;
  -- A secret that replaces a label must be declared, or a message would say what its record does not show. A secret of
  -- newer code, which this version neither declares nor needs, stays apart and is not rendered.
  IF secrets <> '{}' THEN
    undeclared := (SELECT s FROM jsonb_object_keys(secrets - secret_names) AS s
      WHERE s = ANY (required) OR labels ? s LIMIT 1);
  END IF;
  IF undeclared IS NOT NULL THEN
    PERFORM herald.reject('HE002', 'secrets.' || undeclared,
      format('template "%s" version %s does not declare "%s" secret', template.name, template.current_version, left(undeclared, 200)),
      'Declare it under "secrets" in the header of the template and sync, or pass it as a label.');
  END IF;
  IF plain IS NOT NULL AND options -> 'allowPlainSecrets' IS DISTINCT FROM 'true' THEN
    PERFORM herald.reject('HE002', 'labels.' || plain, format('the label "%s" is secret and must be encrypted', left(plain, 200)),
      'Give createHerald the encryptLabels of labelSecrets, or "pg-herald send" HERALD_SECRET_KEY. To store plain text, set allowPlainSecrets to true.');
  END IF;
  IF NOT (labels || secrets) ?& required THEN
    missing := ARRAY(SELECT r FROM unnest(required) AS r WHERE NOT (labels || secrets) ? r);
    PERFORM herald.reject('HE002', 'labels.' || missing[1],
      format('template "%s" version %s needs the label%s "%s"', template.name, template.current_version,
        CASE WHEN cardinality(missing) > 1 THEN 's' ELSE '' END, array_to_string(missing, '", "')),
      'Add what is missing to the labels of the notification.');
  END IF;
END
$$;

-- Returns the methods of a notification, in order: the operator's choice, otherwise the caller's, the template's, the
-- default. fields: what a recipient may have for these methods. notified: the methods whose workers listen.
CREATE OR REPLACE FUNCTION herald.resolve_methods(options jsonb, template herald.template,
  OUT methods text[], OUT fields text[], OUT notified text[], OUT has_endpoints boolean)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  known bigint;
  missing text;
BEGIN
  methods := nullif(template.methods_override, '{}');
  IF methods IS NULL AND options ? 'methods' THEN
    methods := ARRAY(SELECT jsonb_array_elements_text(options -> 'methods'));
  END IF;
  methods := coalesce(methods, template.methods);
  SELECT '{id,email,name,locale,timeZone}'::text[] || array_agg(m.requires) FILTER (WHERE m.requires <> 'email'), count(*),
      array_agg(m.name) FILTER (WHERE m.notify), bool_or(EXISTS (SELECT FROM herald.endpoint e WHERE e.method = m.name))
    INTO fields, known, notified, has_endpoints
    FROM herald.method m WHERE m.name = ANY (methods) AND m.name <> '*';
  IF known < cardinality(methods) THEN
    missing := (SELECT c FROM unnest(methods) AS c WHERE NOT EXISTS (SELECT FROM herald.method m WHERE m.name = c AND m.name <> '*') LIMIT 1);
  END IF;
  IF missing IS NOT NULL THEN
    PERFORM herald.reject('HE004', 'methods', format('unknown method "%s"', left(missing, 200)),
      'Known methods are the rows of herald.method; add one with "pg-herald migrate --method NAME".');
  END IF;
END
$$;
