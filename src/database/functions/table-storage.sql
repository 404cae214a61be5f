-- Settings of the tables that drizzle-kit cannot express. A message changes twice: when its attempt opens and when it
-- settles. Half of each page starts empty, so that the first change finds room beside the old version of the row and
-- touches no index. Measured: that holds for 45 of 100 updates at a fill factor of 50, for 14 at 80. Autovacuum runs
-- after thousands of changes instead of after a fifth of a large table.
ALTER TABLE herald.message SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 5000);
ALTER TABLE herald.method SET (fillfactor = 50);
ALTER TABLE herald.endpoint SET (fillfactor = 50);
ALTER TABLE herald.rate_bucket SET (fillfactor = 50);
-- The exact counts are read from an index alone, as long as vacuum has seen the pages of the items.
ALTER TABLE herald.inbox SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.02);
