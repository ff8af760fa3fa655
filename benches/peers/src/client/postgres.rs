//! A caller of PostgreSQL: prepared statements on a connection of its own. Does not know how the
//! server works.
//!
//! An order's revision is guarded by the unique key of the table; several events go in one
//! statement, or by COPY, whichever is faster for their number.

use std::pin::pin;
use std::time::{Instant, SystemTime};

use futures_util::TryStreamExt as _;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, NoTls, Row, Statement};

use super::{Guard, Look, Seen};
use crate::feed::{Bodies, Told, order_name};

/// From so many events on, COPY is faster than one statement with arrays.
const COPY_FROM: usize = 200;
/// Rows of a page of a reader that follows.
const PAGE_ROWS: i64 = 10_000;

const TABLE: &str = "
    create table events (
        position bigserial primary key,
        order_id text not null,
        revision int not null,
        event_id text not null,
        type text not null,
        body bytea not null,
        recorded_at timestamptz not null default now(),
        unique (order_id, revision)
    )";
const INSERT: &str = "
    insert into events (order_id, revision, event_id, type, body)
    values ($1, $2, $3, $4, $5) returning position";
/// The revision is what the table says, as this ledger says it where a caller expects nothing.
const INSERT_BLIND: &str = "
    insert into events (order_id, revision, event_id, type, body)
    select $1, coalesce(max(revision) + 1, 0), $2, $3, $4 from events where order_id = $1
    returning position";
const INSERT_MANY: &str = "
    insert into events (order_id, revision, event_id, type, body)
    select * from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bytea[])";
const COPY: &str =
    "copy events (order_id, revision, event_id, type, body) from stdin (format binary)";
const ORDER: &str = "
    select position, order_id, type, body, recorded_at, revision from events
    where order_id = $1 order by revision";
const ALL: &str =
    "select position, order_id, type, body, recorded_at, revision from events order by position";
const OF_TYPE: &str = "
    select position, order_id, type, body, recorded_at, revision from events
    where type = $1 order by position";
const PAGE: &str = "
    select position, order_id, type, body, recorded_at, revision from events
    where position > $1 order by position limit $2";

pub(crate) struct Client {
    client: tokio_postgres::Client,
    bodies: Bodies,
    insert: Statement,
    insert_blind: Statement,
    insert_many: Statement,
    order: Statement,
}

impl Client {
    pub(crate) async fn append(&mut self, events: &[Told], guard: Guard) -> u64 {
        match events {
            [told] => self.insert(*told, guard).await,
            _ if events.len() < COPY_FROM => self.insert_many(events).await,
            _ => self.copy(events).await,
        }
    }

    async fn insert(&self, told: Told, guard: Guard) -> u64 {
        let (order, id, body) = (told.order_name(), told.event_id(), self.bodies.vec(told));
        let (revision, kind) = (revision(told), told.kind());
        let row = if guard == Guard::Revision {
            let values: [&(dyn ToSql + Sync); 5] = [&order, &revision, &id, &kind, &body];
            self.client.query_one(&self.insert, &values).await
        } else {
            let values: [&(dyn ToSql + Sync); 4] = [&order, &id, &kind, &body];
            self.client.query_one(&self.insert_blind, &values).await
        };
        u64::try_from(row.unwrap().get::<_, i64>(0)).unwrap()
    }

    async fn insert_many(&self, events: &[Told]) -> u64 {
        let orders: Vec<_> = events.iter().map(|told| told.order_name()).collect();
        let revisions: Vec<_> = events.iter().map(|told| revision(*told)).collect();
        let ids: Vec<_> = events.iter().map(|told| told.event_id()).collect();
        let kinds: Vec<_> = events.iter().map(|told| told.kind()).collect();
        let bodies: Vec<_> = events.iter().map(|told| self.bodies.vec(*told)).collect();
        let values: [&(dyn ToSql + Sync); 5] = [&orders, &revisions, &ids, &kinds, &bodies];
        let count = self.client.execute(&self.insert_many, &values).await.unwrap();
        assert_eq!(count, events.len() as u64);
        0
    }

    async fn copy(&self, events: &[Told]) -> u64 {
        let sink = self.client.copy_in(COPY).await.unwrap();
        let types = [Type::TEXT, Type::INT4, Type::TEXT, Type::TEXT, Type::BYTEA];
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for told in events {
            let (order, id, body) = (told.order_name(), told.event_id(), self.bodies.vec(*told));
            let (revision, kind) = (revision(*told), told.kind());
            let values: [&(dyn ToSql + Sync); 5] = [&order, &revision, &id, &kind, &body];
            writer.as_mut().write(&values).await.unwrap();
        }
        let count = writer.finish().await.unwrap();
        assert_eq!(count, events.len() as u64);
        0
    }

    pub(crate) async fn timeline(&mut self, order: u64) -> u64 {
        let rows = self.client.query(&self.order, &[&order_name(order)]).await.unwrap();
        let mut seen = Seen::default();
        rows.iter().for_each(|row| look_at(row, Look::Fields, &mut seen));
        seen.events
    }

    pub(crate) async fn replay(&mut self, kind: Option<&str>, look: Look) -> Seen {
        let rows = match kind {
            None => self.client.query_raw(ALL, std::iter::empty::<&str>()).await,
            Some(kind) => self.client.query_raw(OF_TYPE, [kind]).await,
        };
        let mut rows = pin!(rows.unwrap());
        let mut seen = Seen::default();
        while let Some(row) = rows.try_next().await.unwrap() {
            look_at(&row, look, &mut seen);
        }
        seen
    }

    /// Asks for page after page; what commits behind a page that was read is missed.
    pub(crate) async fn follow(&mut self, until: Instant) -> Seen {
        let page = self.client.prepare(PAGE).await.unwrap();
        let mut seen = Seen::default();
        while Instant::now() < until {
            let after = i64::try_from(seen.last).unwrap();
            let rows = self.client.query(&page, &[&after, &PAGE_ROWS]).await.unwrap();
            rows.iter().for_each(|row| look_at(row, Look::Fields, &mut seen));
        }
        seen
    }
}

fn revision(told: Told) -> i32 {
    i32::try_from(told.revision).unwrap()
}

fn look_at(row: &Row, look: Look, seen: &mut Seen) {
    let place = u64::try_from(row.get::<_, i64>(0)).unwrap();
    let (order, kind, body): (&str, &str, &[u8]) = (row.get(1), row.get(2), row.get(3));
    let (_, _): (SystemTime, i32) = (row.get(4), row.get(5));
    seen.event(place, order, kind, body, look);
}

async fn connected(port: u16) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user("postgres").dbname("postgres");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        // Ends with its client, or with the server when that is stopped.
        let _ = connection.await;
    });
    Ok(client)
}

pub(crate) async fn connect(port: u16, bodies: &Bodies, callers: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..callers {
        let client = connected(port).await.unwrap();
        clients.push(Client {
            insert: client.prepare(INSERT).await.unwrap(),
            insert_blind: client.prepare(INSERT_BLIND).await.unwrap(),
            insert_many: client.prepare(INSERT_MANY).await.unwrap(),
            order: client.prepare(ORDER).await.unwrap(),
            client,
            bodies: bodies.clone(),
        });
    }
    clients
}

pub(crate) async fn answers(port: u16) -> bool {
    let Ok(client) = connected(port).await else { return false };
    client.query(ORDER, &[&order_name(0)]).await.is_ok()
        || client.query("select 1", &[]).await.is_ok()
}

pub(crate) async fn create(port: u16) {
    connected(port).await.unwrap().batch_execute(TABLE).await.unwrap();
}

pub(crate) async fn checkpoint(port: u16) {
    connected(port).await.unwrap().batch_execute("checkpoint").await.unwrap();
}

pub(crate) async fn count(port: u16) -> u64 {
    let client = connected(port).await.unwrap();
    let row = client.query_one("select count(*) from events", &[]).await.unwrap();
    u64::try_from(row.get::<_, i64>(0)).unwrap()
}
