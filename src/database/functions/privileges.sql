-- Postgres lets every role execute a new function. Only the owner and the roles of roles.sql may call these.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA herald FROM PUBLIC;
