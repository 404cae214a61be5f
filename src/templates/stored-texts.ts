/** How the texts of a stored version are read: its default language, and the further ones in the column `texts`. */

/** The columns of `TemplateTexts` but the name, of the row `v` of herald.template_version. */
export const storedTextColumns = `v.version, v.language, v.title, v.preview, v.body, v.actions, v.words,
  (SELECT jsonb_agg(jsonb_build_object('language', x.language, 'title', x.title, 'preview', x.preview, 'body', x.body,
      'actions', x.actions, 'words', x.words) ORDER BY x.language)
    FROM herald.template_text x WHERE x.template = v.template AND x.version = v.version) AS texts`;
