-- Least privilege: the application enters rows and changes only what a clinical step changes; the reader reads.
revoke all on database his from public;
grant connect on database his to his_app, his_reader;
revoke create on schema public from public;
grant usage on schema public to his_app, his_reader;
revoke execute on all functions in schema public from public;

grant select on all tables in schema public to his_app, his_reader;
grant insert on patient, visit, admission, clinical_order, prescription, prescription_line, charge, invoice, invoice_line,
    lab_result, stock_movement, heartbeat, client_transaction to his_app;
grant update (closed_at) on visit to his_app;
grant update (discharged_at) on admission to his_app;
grant update (status) on clinical_order to his_app;
grant update (dispensed_quantity) on prescription_line to his_app;

-- Lets proofs compare every index with its table; a proof only reads and installs nothing itself.
create extension amcheck;
