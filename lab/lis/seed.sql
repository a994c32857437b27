-- Generated contents, the same on every machine: everything follows from row numbers.
insert into instrument (code, section, in_service_since)
select concat('AN-', lpad(seq, 2, '0')), elt(1 + seq % 5, 'chemistry', 'haematology', 'coagulation', 'immunology', 'microbiology'),
       date '2020-01-01' + interval seq * 17 day from seq_1_to_10;
insert into test (code, name, unit, low, high, instrument_id)
select concat('T', lpad(seq, 3, '0')), concat('Analyte ', seq), elt(1 + seq % 4, 'mmol/L', 'g/L', 'U/L', '%'), seq, seq * 2 + 1, 1 + seq % 10
  from seq_1_to_60;
insert into specimen (mrn, kind, collected_at, received_at)
select concat('M', lpad(1 + (seq * 7919) % 5000, 8, '0')), elt(1 + seq % 5, 'serum', 'plasma', 'blood', 'urine', 'swab'),
       timestamp '2026-01-01 06:00:00' + interval seq * 211 second, timestamp '2026-01-01 06:20:00' + interval seq * 211 second
  from seq_1_to_3000;
insert into requested_test (specimen_id, test_id, status)
select s.seq, 1 + (s.seq * 31 + t.seq * 11) % 60, 'done' from seq_1_to_3000 s join seq_1_to_3 t;
insert into result (requested_test_id, instrument_id, value, flag, reported_at)
select d.id, t.instrument_id, t.low + (d.id * 37 % 100) * (t.high - t.low) / 100, 'normal', s.received_at + interval 40 minute
  from requested_test d join test t on t.id = d.test_id join specimen s on s.id = d.specimen_id order by d.id;
insert into quality_control (instrument_id, level, deviation, accepted, measured_at)
select 1 + seq % 10, 1 + seq % 3, (seq * 53 % 240) / 100 - 1.2, true, timestamp '2026-01-01 05:00:00' + interval seq * 1800 second
  from seq_1_to_900;
insert into heartbeat (source) values ('seed');
