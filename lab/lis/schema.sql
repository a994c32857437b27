-- Specimens, tests and results of a laboratory, its instruments and their quality control. Names of people do not occur: a specimen carries
-- the medical record number.
create table instrument (
    id int unsigned primary key auto_increment,
    code varchar(20) not null unique,
    section enum('chemistry', 'haematology', 'coagulation', 'immunology', 'microbiology') not null,
    in_service_since date not null
) engine = InnoDB;
create table test (
    id int unsigned primary key auto_increment,
    code varchar(20) not null unique,
    name varchar(80) not null,
    unit varchar(20) not null,
    low decimal(10, 3) not null,
    high decimal(10, 3) not null,
    instrument_id int unsigned not null,
    constraint test_instrument foreign key (instrument_id) references instrument (id),
    constraint test_range check (low < high)
) engine = InnoDB;
create table specimen (
    id bigint unsigned primary key auto_increment,
    barcode varchar(20) as (concat('S', lpad(id, 10, '0'))) virtual,
    mrn varchar(20) not null,
    kind enum('serum', 'plasma', 'blood', 'urine', 'swab') not null,
    collected_at datetime(6) not null,
    received_at datetime(6) not null default current_timestamp(6),
    key specimen_mrn (mrn)
) engine = InnoDB;
create table requested_test (
    id bigint unsigned primary key auto_increment,
    specimen_id bigint unsigned not null,
    test_id int unsigned not null,
    status enum('waiting', 'done') not null default 'waiting',
    unique key requested_once (specimen_id, test_id),
    key requested_waiting (status, id),
    constraint requested_specimen foreign key (specimen_id) references specimen (id),
    constraint requested_of foreign key (test_id) references test (id)
) engine = InnoDB;
create table result (
    id bigint unsigned primary key auto_increment,
    requested_test_id bigint unsigned not null unique,
    instrument_id int unsigned not null,
    value decimal(10, 3) not null,
    flag enum('low', 'normal', 'high') not null,
    reported_at datetime(6) not null default current_timestamp(6),
    constraint result_requested foreign key (requested_test_id) references requested_test (id),
    constraint result_instrument foreign key (instrument_id) references instrument (id)
) engine = InnoDB;
create table quality_control (
    id bigint unsigned primary key auto_increment,
    instrument_id int unsigned not null,
    level tinyint unsigned not null,
    deviation decimal(6, 3) not null,
    accepted boolean not null,
    measured_at datetime(6) not null default current_timestamp(6),
    constraint control_instrument foreign key (instrument_id) references instrument (id),
    constraint control_rule check (accepted = (abs(deviation) <= 3))
) engine = InnoDB;
create table heartbeat (
    id bigint unsigned primary key auto_increment,
    at datetime(6) not null default current_timestamp(6),
    source varchar(40) not null
) engine = InnoDB;
create table client_transaction (
    id bigint unsigned primary key auto_increment,
    workstation varchar(40) not null,
    seq bigint unsigned not null,
    kind varchar(20) not null,
    committed_at datetime(6) not null default current_timestamp(6),
    unique key client_once (workstation, seq)
) engine = InnoDB;
