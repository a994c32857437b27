-- New rows are numbered after the generated ones; what only the generation needed goes.
do $$
declare t text; top bigint;
begin
    for t in select table_name from information_schema.columns
             where table_schema = 'public' and column_name = 'id' and is_identity = 'YES' loop
        execute format('select coalesce(max(id), 0) + 1 from %I', t) into top;
        execute format('alter table %I alter column id restart with %s', t, top);
    end loop;
end $$;
drop schema seeding cascade;
