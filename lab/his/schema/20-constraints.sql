-- Keys, foreign keys and indexes: created after the generated history is in, each in one pass over its table.
set client_min_messages = warning;

alter table department add primary key (id), add unique (code);
alter table staff add primary key (id), add unique (number);
alter table patient add primary key (id), add unique (mrn);
alter table visit add primary key (id);
alter table admission add primary key (id), add unique (visit_id);
alter table clinical_order add primary key (id);
alter table price_item add primary key (id), add unique (code);
alter table price_history add primary key (id);
alter table prescription add primary key (id), add unique (order_id);
alter table prescription_line add primary key (id);
alter table charge add primary key (id), add unique (reverses);
alter table invoice add primary key (id), add unique (number);
alter table invoice_line add primary key (id), add unique (charge_id);
alter table lab_result add primary key (id);
alter table stock_movement add primary key (id);
alter table stock_level add primary key (drug_id);
alter table heartbeat add primary key (id);
alter table client_transaction add primary key (workstation, seq), add unique (id);

alter table staff add foreign key (department_id) references department;
alter table visit add foreign key (patient_id) references patient,
    add foreign key (department_id) references department, add foreign key (doctor_id) references staff;
alter table admission add foreign key (visit_id) references visit, add foreign key (ward_id) references department;
alter table clinical_order add foreign key (visit_id) references visit, add foreign key (ordered_by) references staff;
alter table price_history add foreign key (item_id) references price_item;
alter table prescription add foreign key (order_id) references clinical_order,
    add foreign key (visit_id) references visit, add foreign key (prescribed_by) references staff;
alter table prescription_line add foreign key (prescription_id) references prescription,
    add foreign key (drug_id) references price_item;
alter table charge add foreign key (visit_id) references visit, add foreign key (item_id) references price_item,
    add foreign key (reverses) references charge;
alter table invoice add foreign key (visit_id) references visit;
alter table invoice_line add foreign key (invoice_id) references invoice, add foreign key (charge_id) references charge;
alter table lab_result add foreign key (order_id) references clinical_order, add foreign key (reported_by) references staff;
alter table stock_movement add foreign key (drug_id) references price_item,
    add foreign key (prescription_line_id) references prescription_line;
alter table stock_level add foreign key (drug_id) references price_item;

create index patient_name on patient (name);
create index visit_patient on visit (patient_id);
create index visit_opened on visit (opened_at);
create index clinical_order_visit on clinical_order (visit_id);
create index clinical_order_open on clinical_order (kind, id) where status = 'open';
create index prescription_visit on prescription (visit_id);
create index prescription_line_prescription on prescription_line (prescription_id);
create index prescription_line_open on prescription_line (id) where dispensed_quantity < quantity;
create index charge_visit on charge (visit_id);
create index charge_time on charge (charged_at);
create index invoice_visit on invoice (visit_id);
create index invoice_line_invoice on invoice_line (invoice_id);
create index lab_result_order on lab_result (order_id);
create index price_history_item on price_history (item_id, id);
create index stock_movement_line on stock_movement (prescription_line_id);
create index stock_movement_drug on stock_movement (drug_id);
create index heartbeat_at on heartbeat (at);
create index client_transaction_time on client_transaction (committed_at);
