-- The hospital's past: every row is computed from its own number, so tables fill by one statement each, at any scale.
-- Visit v has orders 2v-1 (laboratory) and 2v (medication), prescription v, its lines 2v-1 and 2v, charges 4v-3 to 4v, invoice v.
-- Reads the psql variable visits. The last three in a hundred visits still have open orders: work for the wards.
\set patients (:visits / 3 + 10)
\set settled (:visits - :visits * 3 / 100)

insert into patient (id, name, sex, birth_date, registered_at)
select i, s.value || g.value, g.sex, date '2026-01-01' - seeding.pick(i, 32, 34000), c.first + (c.step * 3) * (i - 1)
from seeding.clock c, generate_series(1, :patients) i
join seeding.surname s on s.n = seeding.pick(i, 30, (select count(*)::int from seeding.surname))
join seeding.given g on g.sex = case when seeding.pick(i, 31, 2) = 0 then 'female' else 'male' end
    and g.n = seeding.pick(i, 33, (select count(*)::int from seeding.given where sex = 'male'));

insert into visit (id, patient_id, department_id, doctor_id, kind, opened_at, closed_at)
select v, 1 + seeding.pick(v, 40, (v / 3 + 1)::int), 1 + seeding.pick(v, 41, 6), 1 + seeding.pick(v, 42, 60),
       case when v % 12 = 0 then 'inpatient' when v % 7 = 0 then 'emergency' else 'outpatient' end,
       c.first + c.step * v, case when v <= :settled then c.first + c.step * v + interval '3 hours' end
from seeding.clock c, generate_series(1, :visits) v;

insert into admission (id, visit_id, ward_id, bed, admitted_at, discharged_at)
select a, a * 12, 7 + seeding.pick(a, 50, 3), 'B' || 1 + seeding.pick(a, 51, 40), c.first + c.step * a * 12 + interval '1 hour',
       case when a * 12 <= :settled then c.first + c.step * a * 12 + interval '1 hour' * (24 + seeding.pick(a, 52, 240)) end
from seeding.clock c, generate_series(1, :visits / 12) a;

insert into clinical_order (id, visit_id, ordered_by, kind, description, status, ordered_at)
select 2 * v - 2 + k, v, 1 + seeding.pick(v, 42, 60), case k when 1 then 'laboratory' else 'medication' end,
       case k when 1 then '血常规与生化 ' else '药物治疗 ' end || left(md5(v::text || k), 24),
       case when v <= :settled then 'done' else 'open' end, c.first + c.step * v + interval '10 minutes' * k
from seeding.clock c, generate_series(1, :visits) v, generate_series(1, 2) k;

insert into prescription (id, order_id, visit_id, prescribed_by, prescribed_at)
select v, 2 * v, v, 1 + seeding.pick(v, 42, 60), c.first + c.step * v + interval '20 minutes'
from seeding.clock c, generate_series(1, :visits) v;

insert into prescription_line (id, prescription_id, drug_id, quantity, dose, dispensed_quantity)
select l, (l + 1) / 2, 1001 + seeding.pick(l, 60, 400), 1 + seeding.pick(l, 61, 5),
       (array['每日一次', '每日两次', '每日三次', '睡前'])[1 + seeding.pick(l, 62, 4)],
       case when (l + 1) / 2 <= :settled then 1 + seeding.pick(l, 61, 5) else 0 end
from generate_series(1, :visits * 2) l;

insert into charge (id, visit_id, item_id, quantity, unit_price, amount, charged_at)
select r.id, r.visit_id, r.item_id, r.quantity, u.price, r.quantity * u.price, r.charged_at
from (select 4 * v - 4 + k as id, v as visit_id,
             case k when 1 then 1 when 2 then 2 + seeding.pick(v, 70, 199) else 1001 + seeding.pick(2 * v - 4 + k, 60, 400) end as item_id,
             case when k <= 2 then 1 else 1 + seeding.pick(2 * v - 4 + k, 61, 5) end as quantity,
             c.first + c.step * v + interval '5 minutes' * k as charged_at
      from seeding.clock c, generate_series(1, :visits) v, generate_series(1, 4) k) r
join seeding.price p using (item_id)
cross join lateral (select case when r.charged_at < '2025-07-01 00:00+00' then p.old_price else p.new_price end as price) u;

insert into invoice (id, visit_id, total, issued_at)
select visit_id, visit_id, sum(amount), max(charged_at) + interval '1 minute' from charge group by visit_id order by visit_id;
insert into invoice_line (id, invoice_id, charge_id, amount) select id, visit_id, id, amount from charge;

insert into lab_result (id, order_id, analyte, value, unit, flag, report, reported_by, reported_at)
select 3 * v - 3 + k, 2 * v - 1, a.analyte, x.value, a.unit,
       case when x.value < a.low then 'low' when x.value > a.high then 'high' else 'normal' end,
       '生成的示例报告 ' || md5(v::text || k) || md5(k || 'b' || v) || md5(k || 'c' || v) || md5(k || 'd' || v)
           || md5(k || 'e' || v) || md5(k || 'f' || v),
       91 + seeding.pick(v, 81, 10), c.first + c.step * v + interval '2 hours'
from seeding.clock c, generate_series(1, :settled) v,
     (values (1, '血红蛋白', 'g/L', 110, 160), (2, '葡萄糖', 'mmol/L', 4, 6), (3, '钾', 'mmol/L', 3, 5)) a (k, analyte, unit, low, high)
cross join lateral (select round((a.low * 0.8 + (a.high * 1.2 - a.low * 0.8) * seeding.pick(v, 82 + k, 1000) / 1000.0)::numeric, 3) as value) x;

insert into stock_movement (id, drug_id, quantity, kind, moved_at)
select d - 1000, d, greatest(100000, :visits), 'receipt', '2024-01-01 00:00+00' from generate_series(1001, 1400) d;
insert into stock_movement (id, drug_id, quantity, kind, prescription_line_id, moved_at)
select 1000 + l.id, l.drug_id, -l.dispensed_quantity, 'dispensing', l.id, c.first + c.step * l.prescription_id + interval '40 minutes'
from seeding.clock c, prescription_line l where l.dispensed_quantity > 0;
insert into stock_level (drug_id, quantity) select drug_id, sum(quantity) from stock_movement group by drug_id;
