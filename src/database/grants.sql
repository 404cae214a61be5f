-- The rights of the roles, starting from none. Each migrate repeats it where the roles have rights already, so that new
-- tables, functions and queues are covered. Tables and columns are named one by one: what is not listed here is
-- forbidden. Each block fixes its search_path: where any role may create functions in "public", as up to PostgreSQL 14,
-- the owner would otherwise call one of theirs.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA herald FROM PUBLIC, herald_enqueuer, herald_inbox, herald_worker, herald_reader, herald_operator;
REVOKE ALL ON ALL TABLES IN SCHEMA herald, herald_meta, herald_queue FROM herald_enqueuer, herald_inbox, herald_worker, herald_reader, herald_operator;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA herald_queue FROM herald_worker;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA herald_queue FROM PUBLIC, herald_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA herald_queue REVOKE ALL ON TABLES FROM herald_worker, herald_reader;
GRANT USAGE ON SCHEMA herald TO herald_enqueuer, herald_inbox, herald_worker, herald_reader, herald_operator;
GRANT USAGE ON SCHEMA herald_meta, herald_queue TO herald_worker, herald_reader, herald_operator;

-- The application calls functions, which run with the owner's rights, and touches no table.
GRANT EXECUTE ON FUNCTION herald.enqueue(jsonb),
  herald.enqueue(text, jsonb, jsonb, jsonb, jsonb, text[], text[], text, interval, timestamptz, interval, timestamptz, interval, integer, text, text, text, text, text, jsonb, boolean, text),
  herald.secret_labels(text), herald.current_template(text), herald.cancel(uuid[], text, text, text), herald.set_preference(text, text, text, boolean, text, text),
  herald.try_preference(text, text, text, boolean, text, text),
  herald.preferences(text), herald.subscription(text, text, text), herald.unsubscribe(text, text, text), herald.resubscribe(text, text, text),
  herald.set_group(text, text, text, boolean, text), herald.stopped_methods(text), herald.allow_again(text, text) TO herald_enqueuer;
GRANT EXECUTE ON FUNCTION herald.tenant_brand(text) TO herald_enqueuer;
GRANT EXECUTE ON FUNCTION herald.set_hours(text, text, jsonb, text), herald.try_hours(text, text, jsonb, text),
  herald.hours_of(text, text, text, timestamptz), herald.next_open(text, text, text, timestamptz)
  TO herald_enqueuer, herald_operator;

-- Who acknowledges reads, too.
GRANT EXECUTE ON FUNCTION herald.acknowledge(text, uuid[], text, uuid) TO herald_enqueuer;
-- The role that installs the trigger of cancel-with on a table needs the right to name its function.
GRANT EXECUTE ON FUNCTION herald.cancel_with_deleted() TO herald_enqueuer;

-- Who shows inboxes reads and marks any reader's items by functions: apart from enqueueing, so that a service that only
-- writes notifications cannot read them. It also shows and sets preferences.
GRANT EXECUTE ON FUNCTION herald.inbox_page(text, text, text, text, text, text, timestamptz, uuid, integer),
  herald.inbox_count(text, text), herald.inbox_texts(text, integer), herald.inbox_changed(text, integer),
  herald.inbox_news(text[], text[], text[], integer), herald.mark(text, text, uuid[], text, text, text, text, text),
  herald.set_preference(text, text, text, boolean, text, text), herald.try_preference(text, text, text, boolean, text, text),
  herald.preferences(text) TO herald_inbox;

-- A worker moves messages, records attempts, keeps the state of endpoints and pauses, and enqueues messages to the
-- owners of endpoints. It cannot change what a message says or to whom.
GRANT SELECT ON herald.message, herald.notification, herald.attachment, herald.attempt, herald.template, herald.template_version,
  herald.template_text, herald.method, herald.preference, herald.suppression, herald.setting, herald.sender, herald.refusal, herald.rate_bucket,
  herald.endpoint, herald.worker, herald.hours, herald.tenant, herald_meta.migration TO herald_worker;
GRANT UPDATE (status, reason, detail, secrets, next_attempt_at, attempts, counted, crashes, unknowns, uncounted, uncounted_since, fault_at,
  lease_token, leased_by, attempt_started_at, settled_at, quiet_until) ON herald.message TO herald_worker;
GRANT UPDATE (paused_at, paused_by, pause_kind, pause_reason, pause_detail, probe_at, probe_failures, last_sent_at) ON herald.method TO herald_worker;
GRANT UPDATE (disabled_at, disabled_reason, failures, faults, failing_since, warned_at, opened_at, probe_at, probing, probes, window_at,
  window_calls, window_faults) ON herald.endpoint TO herald_worker;
GRANT INSERT, UPDATE ON herald.attempt, herald.sender TO herald_worker;
GRANT INSERT, UPDATE, DELETE ON herald.rate_bucket, herald.refusal, herald.worker TO herald_worker;
GRANT EXECUTE ON FUNCTION herald.put_back_refused(text, text, double precision), herald.release_refused(text, text),
  herald.record_accepted(text, text, double precision), herald.delete_old_refusals(text), herald.apply_retention(integer),
  herald.ensure_jobs(uuid[]), herald.bring_forward(text), herald.deliver_item(uuid), herald.enqueue(jsonb), herald.preference_of(text, text, text, text),
  herald.choice_of(text, text, text, text) TO herald_worker;
-- A step is asked again before it is sent.
GRANT EXECUTE ON FUNCTION herald.is_needless(uuid, text, text) TO herald_worker;
-- The recipient guard brings the address of now, for messages that the worker has the lease of.
GRANT EXECUTE ON FUNCTION herald.readdress(jsonb) TO herald_worker;
GRANT EXECUTE ON FUNCTION herald.message_quiet_until(uuid, timestamptz), herald.push_steps(uuid[], timestamptz[])
  TO herald_worker;
-- Of pg-boss's tables a worker writes jobs and statistics. It must not write bam: the owner executes the commands in
-- it.
GRANT SELECT ON ALL TABLES IN SCHEMA herald_queue TO herald_worker;
GRANT UPDATE (deferred_count, blocked_count, queued_count, ready_count, active_count, failed_count, total_count, retained_count, retained_on,
  created_delta, completed_delta, failed_delta, delta_on, delta_seconds, wait_bins, run_bins, ready_oldest_seconds, ready_history,
  singletons_active, monitor_claim_on, monitor_on, maintain_on, updated_on) ON herald_queue.queue TO herald_worker;
GRANT UPDATE (cron_on, bam_on, flow_on, reindex_on, monitor_backoff_on) ON herald_queue.version TO herald_worker;
GRANT INSERT, DELETE ON herald_queue.warning TO herald_worker;
-- It removes the rows of dead processes, which it locks first.
GRANT DELETE, UPDATE (heartbeat_on) ON herald_queue.instance TO herald_worker;
GRANT INSERT, UPDATE, DELETE ON herald_queue.job_dependency TO herald_worker;
GRANT EXECUTE ON FUNCTION herald_queue.job_now() TO herald_worker, herald_reader, herald_operator;
DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
  job record;
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  FOR job IN
    SELECT c.oid::regclass AS name FROM pg_class c
    WHERE c.oid = 'herald_queue.job'::regclass OR c.oid IN (SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = 'herald_queue.job'::regclass)
  LOOP
    EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO herald_worker', job.name);
    EXECUTE format('GRANT DELETE ON %s TO herald_operator', job.name);
  END LOOP;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END
$$;

-- A reader sees everything but secrets, the settings of endpoints and files.
DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
  t record;
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  FOR t IN
    SELECT table_name, string_agg(quote_ident(column_name), ', ') AS columns
    FROM information_schema.columns
    WHERE table_schema = 'herald' AND table_name <> 'ended_session'
      AND (table_name, column_name) NOT IN (('message', 'secrets'), ('refusal', 'secrets'), ('endpoint', 'sealed'), ('attachment', 'content'),
        ('method', 'erased_key'))
    GROUP BY table_name
  LOOP
    EXECUTE format('GRANT SELECT (%s) ON herald.%I TO herald_reader, herald_operator', t.columns, t.table_name);
  END LOOP;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END
$$;
GRANT SELECT ON ALL TABLES IN SCHEMA herald_meta, herald_queue TO herald_reader, herald_operator;
GRANT EXECUTE ON FUNCTION herald.preferences(text), herald.choice_of(text, text, text, text), herald.preference_of(text, text, text, text),
  herald.choice_at(text, text, text, text, timestamptz),
  herald.inbox_page(text, text, text, text, text, text, timestamptz, uuid, integer), herald.inbox_count(text, text),
  herald.inbox_texts(text, integer) TO herald_reader, herald_operator;
GRANT EXECUTE ON FUNCTION herald.hours_of(text, text, text, timestamptz), herald.next_open(text, text, text, timestamptz),
  herald.message_quiet_hours(uuid), herald.known_zone(text) TO herald_reader, herald_operator;

-- An operator, for the console and the command line, acts: retries, holds and cancels messages, pauses methods,
-- suppresses addresses, manages tenants and endpoints (whose settings stay encrypted) and enables templates. It cannot
-- change what was said to whom, or what is on record.
GRANT EXECUTE ON FUNCTION herald.retry(uuid[]), herald.replay(uuid[]), herald.bring_forward(text), herald.release_refused(text, text),
  herald.cancel(uuid[], text, text, text), herald.enqueue(jsonb),
  herald.secret_labels(text), herald.current_template(text), herald.set_preference(text, text, text, boolean, text, text),
  herald.try_preference(text, text, text, boolean, text, text), herald.uuid_v7() TO herald_operator;
GRANT UPDATE (status, reason, detail, secrets, next_attempt_at, settled_at) ON herald.message TO herald_operator;
GRANT INSERT (name, paused_at, paused_by, pause_kind, pause_reason, pause_detail), UPDATE (enabled, notify, quiet_hours, paused_at, paused_by, pause_kind,
  pause_reason, pause_detail, probe_at, probe_failures) ON herald.method TO herald_operator;
GRANT UPDATE (paused_at, pause_reason, pause_detail, probe_at, probe_failures, updated_at) ON herald.sender TO herald_operator;
GRANT UPDATE (enabled, methods_override, updated_at) ON herald.template TO herald_operator;
GRANT INSERT, UPDATE, DELETE ON herald.suppression, herald.setting, herald.tenant TO herald_operator;
GRANT SELECT (sealed), INSERT, UPDATE, DELETE ON herald.endpoint TO herald_operator;
GRANT INSERT (id, at, actor, action, subject, why, detail) ON herald.audit TO herald_operator;
GRANT SELECT, INSERT, DELETE ON herald.ended_session TO herald_operator;

-- What comes back is recorded by functions: a worker changes no suppression itself.
GRANT SELECT ON herald.report TO herald_worker;
GRANT EXECUTE ON FUNCTION herald.suppression_of(text, text, bytea, boolean), herald.erased_address(text, bytea),
  herald.count_dead(text, text, text, uuid), herald.reported_message(uuid, text, text[]), herald.record_reports(jsonb) TO herald_worker;
GRANT EXECUTE ON FUNCTION herald.suppressed_forms(text) TO herald_reader, herald_operator;
GRANT EXECUTE ON FUNCTION herald.lift_suppression(text, text, text) TO herald_operator;
