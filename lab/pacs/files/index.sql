-- The index's owner is the archive's own account, known by the operating system (peer). Orthanc makes its tables itself.
select 'create role orthanc login' where not exists (select from pg_roles where rolname = 'orthanc') \gexec
select 'create database pacs owner orthanc' where not exists (select from pg_database where datname = 'pacs') \gexec
\connect pacs
create extension if not exists pg_trgm;
