-- Master data, and the function that every generated value comes from: the same scale and seed give the same rows.
-- Reads the psql variables seed and visits.
create schema seeding;
create table seeding.name_part (part text not null, value text not null);
\copy seeding.name_part from 'names.tsv'
create table seeding.surname as
    select (row_number() over (order by value collate "C"))::int - 1 as n, value from seeding.name_part where part = 'surname';
create table seeding.given as
    select part as sex, (row_number() over (partition by part order by value collate "C"))::int - 1 as n, value
    from seeding.name_part where part <> 'surname';

-- A number from 0 to size-1 that depends on the row, the purpose and the seed only (a plain expression: the planner inlines it).
select format($f$create function seeding.pick(row_id bigint, purpose int, size int) returns int language sql immutable parallel safe
    as 'select ((hashint8extended(row_id, %s + purpose) & 9223372036854775807) %% size)::int'$f$, (:seed)::bigint * 1000) \gexec

create function seeding.person(row_id bigint, purpose int, sex text) returns text language sql immutable as $$
    select s.value || g.value from seeding.surname s, seeding.given g
    where s.n = seeding.pick(row_id, purpose, (select count(*)::int from seeding.surname))
      and g.sex = $3
      and g.n = seeding.pick(row_id, purpose + 1, (select count(*)::int from seeding.given where given.sex = $3)) $$;

insert into department (id, code, name, kind) values
    (1, 'INT', '内科', 'clinic'), (2, 'SUR', '外科', 'clinic'), (3, 'PED', '儿科', 'clinic'), (4, 'OBG', '妇产科', 'clinic'),
    (5, 'EMG', '急诊科', 'clinic'), (6, 'ORT', '骨科', 'clinic'), (7, 'W1', '内科病区', 'ward'), (8, 'W2', '外科病区', 'ward'),
    (9, 'ICU', '重症监护病区', 'ward'), (10, 'LAB', '检验科', 'laboratory'), (11, 'PHA', '药房', 'pharmacy'),
    (12, 'REG', '挂号收费处', 'office');

-- Staff 1-60 doctors of the clinics, 61-90 nurses of the wards, 91-100 technicians, 101-110 pharmacists, 111-120 cashiers.
insert into staff (id, department_id, name, role)
select i,
       case when i <= 60 then 1 + i % 6 when i <= 90 then 7 + i % 3 when i <= 100 then 10 when i <= 110 then 11 else 12 end,
       seeding.person(i, 10, case when seeding.pick(i, 12, 2) = 0 then 'female' else 'male' end),
       case when i <= 60 then 'doctor' when i <= 90 then 'nurse' when i <= 100 then 'technician'
            when i <= 110 then 'pharmacist' else 'cashier' end
from generate_series(1, 120) i;

-- Items 1-200 services (1 is the registration fee), 1001-1400 drugs. Names say that they are samples.
insert into price_item (id, kind, code, name, unit, price, changed_at)
select i, 'service', 'SV' || lpad(i::text, 4, '0'), case when i = 1 then '挂号费' else '示例项目 ' || i end, '次',
       case when i = 1 then 10 else (500 + seeding.pick(i, 20, 60000)) / 100.0 end, '2024-01-01 00:00+00'::timestamptz
from generate_series(1, 200) i
union all
select i, 'drug', 'DR' || i, '示例药品 ' || i, '盒', (100 + seeding.pick(i, 20, 20000)) / 100.0, '2024-01-01 00:00+00'::timestamptz
from generate_series(1001, 1400) i;

-- The price list was revised once, on 1 July 2025, for every third item.
insert into price_history (id, item_id, price, valid_from)
select row_number() over (order by id), id, price, changed_at from price_item;
update price_item set price = round(price * 1.05, 2), changed_at = '2025-07-01 00:00+00' where id % 3 = 0;
insert into price_history (id, item_id, price, valid_from)
select 1000 + row_number() over (order by id), id, price, changed_at from price_item where id % 3 = 0;
create table seeding.price as
    select i.id as item_id, h.price as old_price, i.price as new_price
    from price_item i join price_history h on h.item_id = i.id and h.id <= 1000;
create table seeding.clock as select '2024-01-01 08:00+00'::timestamptz as first, interval '900 days' / (:visits)::float8 as step;
