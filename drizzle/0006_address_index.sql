-- herald: outside a transaction
-- An index that an interrupted build left invalid is dropped first, so that this can be run again.
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_addresses";
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "message_addresses" ON "herald"."message" USING btree ("address","created_at","id") WHERE "herald"."message"."address" is not null;
