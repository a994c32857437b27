-- What the database itself guarantees: ledgers are never altered, price history and stock level are kept in the same transaction.

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'The ledger % is append-only: % is refused. Enter a reversing row instead.', tg_table_name, lower(tg_op)
        using errcode = 'restrict_violation';
end $$;

do $$
declare ledger text;
begin
    foreach ledger in array array['charge', 'invoice', 'invoice_line', 'heartbeat', 'client_transaction', 'price_history',
                                  'stock_movement'] loop
        execute format('create trigger append_only before update or delete or truncate on %I
                        for each statement execute function ledger_is_append_only()', ledger);
    end loop;
end $$;

-- security definer: the application may enter a movement, but may not write the level or the history itself.
create function keep_price_history() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'INSERT' or new.price <> old.price then
        insert into price_history (item_id, price, valid_from) values (new.id, new.price, new.changed_at);
    end if;
    return new;
end $$;
create trigger keep_history after insert or update of price on price_item for each row execute function keep_price_history();

create function note_price_change() returns trigger language plpgsql as $$
begin
    if new.price <> old.price then
        new.changed_at := clock_timestamp();
    end if;
    return new;
end $$;
create trigger note_change before update of price on price_item for each row execute function note_price_change();

create function keep_stock_level() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update stock_level set quantity = quantity + new.quantity where drug_id = new.drug_id;
    if not found then
        insert into stock_level (drug_id, quantity) values (new.drug_id, new.quantity);
    end if;
    return new;
end $$;
create trigger keep_level after insert on stock_movement for each row execute function keep_stock_level();
