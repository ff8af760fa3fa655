//! A caller of Tephra, with its own multiplexing client. Does not know how the server works.
//!
//! An order is a tag; its revision is guarded by the position of the last event of that tag.

use std::time::Instant;

use futures_util::StreamExt as _;
use tephra_client::{
    AppendCondition, AsyncClient, Event, EventType, Position, Query, QueryItem, SequencedEvent,
    SubEvent, Tag, Tags,
};

use super::{Guard, Look, Seen};
use crate::feed::{Bodies, Told, order_name};

pub(crate) struct Client {
    client: AsyncClient,
    bodies: Bodies,
    tags: u32,
}

impl Client {
    pub(crate) async fn append(&mut self, events: &[Told], guard: Guard, after: u64) -> u64 {
        let condition = (guard == Guard::Revision).then(|| {
            let query = of_order(&events[0].order_name());
            AppendCondition::new(query).after(Position::new(after))
        });
        let events = events.iter().map(|told| self.event(*told));
        self.client.append(events, condition).await.unwrap().last.get()
    }

    fn event(&self, told: Told) -> Event {
        let tags = [Some(told.order_name()), (self.tags > 1).then(|| told.event_id())];
        let tags = tags.into_iter().flatten();
        Event::new(told.kind(), tags, self.bodies.vec(told)).unwrap()
    }

    pub(crate) async fn timeline(&mut self, order: u64) -> u64 {
        let query = of_order(&order_name(order));
        let (events, _) = self.client.read_all(query, Position::ZERO, None).await.unwrap();
        events.len() as u64
    }

    pub(crate) async fn replay(&mut self, kind: Option<&str>, look: Look) -> Seen {
        let query = kind.map_or_else(Query::all, |kind| {
            Query::item(QueryItem::of_types(vec![EventType::new(kind).unwrap()]))
        });
        let mut events = self.client.read(query, Position::ZERO, None).await;
        let mut seen = Seen::default();
        while let Some(event) = events.next().await {
            look_at(&event.unwrap(), look, &mut seen);
        }
        assert!(events.watermark().is_some(), "the read came to its end");
        seen
    }

    pub(crate) async fn follow(&mut self, until: Instant) -> Seen {
        let mut events = self.client.subscribe(Query::all(), Position::ZERO).await;
        let mut seen = Seen::default();
        while let Ok(Some(event)) = tokio::time::timeout_at(until.into(), events.next()).await {
            if let SubEvent::Event(event) = event.unwrap() {
                look_at(&event, Look::Fields, &mut seen);
            }
        }
        seen
    }
}

fn look_at(sequenced: &SequencedEvent, look: Look, seen: &mut Seen) {
    let event = sequenced.event();
    let order = event.tags().next().unwrap();
    seen.event(sequenced.position().get(), order, event.event_type(), event.payload(), look);
}

fn of_order(name: &str) -> Query {
    let tags = Tags::new([Tag::new(name).unwrap()]).unwrap();
    Query::item(QueryItem::with_tags(tags))
}

pub(crate) async fn connect(
    port: u16,
    (bodies, tags): (&Bodies, u32),
    callers: usize,
    shared_by: usize,
) -> Vec<Client> {
    let mut clients = Vec::new();
    while clients.len() < callers {
        let client = AsyncClient::connect(("127.0.0.1", port)).await.unwrap();
        let rest = (callers - clients.len()).min(shared_by);
        let shared = std::iter::repeat_n(client, rest);
        clients.extend(shared.map(|client| Client { client, bodies: bodies.clone(), tags }));
    }
    clients
}

pub(crate) async fn answers(port: u16) -> bool {
    let Ok(client) = AsyncClient::connect(("127.0.0.1", port)).await else { return false };
    client.read_all(of_order(&order_name(0)), Position::ZERO, None).await.is_ok()
}

pub(crate) async fn count(port: u16) -> u64 {
    let client = AsyncClient::connect(("127.0.0.1", port)).await.unwrap();
    client.stats().await.unwrap().event_count
}
