//! A caller of UmaDB, with its own client. Does not know how the server works.
//!
//! An order is a tag; its revision is guarded by the position of the last event of that tag.

use std::sync::Arc;
use std::time::Instant;

use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_dcb::{
    DcbAppendCondition, DcbEvent, DcbEventStoreAsync as _, DcbQuery, DcbQueryItem,
    DcbSequencedEvent,
};

use super::{Guard, Look, Seen};
use crate::feed::{Bodies, Told, order_name};

/// The largest that the server allows; its reads are fastest with it.
const READ_EVENTS: u32 = 4_096;

pub(crate) struct Client {
    client: Arc<AsyncUmaDbClient>,
    bodies: Bodies,
    tags: u32,
}

impl Client {
    pub(crate) async fn append(&mut self, events: &[Told], guard: Guard, after: u64) -> u64 {
        let condition = (guard == Guard::Revision).then(|| {
            let query = of_order(&events[0].order_name());
            DcbAppendCondition::new(query).after((after > 0).then_some(after))
        });
        let events = events.iter().map(|told| self.event(*told)).collect();
        self.client.append(events, condition, None).await.unwrap()
    }

    fn event(&self, told: Told) -> DcbEvent {
        let mut tags = vec![told.order_name()];
        if self.tags > 1 {
            tags.push(told.event_id());
        }
        DcbEvent::new().event_type(told.kind()).tags(tags).data(self.bodies.vec(told))
    }

    pub(crate) async fn timeline(&mut self, order: u64) -> u64 {
        let query = of_order(&order_name(order));
        let (events, _) = self.client.read_with_head(Some(query), None, false, None).await.unwrap();
        events.len() as u64
    }

    pub(crate) async fn replay(&mut self, kind: Option<&str>, look: Look) -> Seen {
        let query =
            kind.map(|kind| DcbQuery::new().item(DcbQueryItem::new().types([kind.to_owned()])));
        let mut response = self.client.read(query, None, false, None).await.unwrap();
        let mut seen = Seen::default();
        loop {
            let batch = response.next_batch().await.unwrap();
            if batch.is_empty() {
                return seen;
            }
            batch.iter().for_each(|event| look_at(event, look, &mut seen));
        }
    }

    pub(crate) async fn follow(&mut self, until: Instant) -> Seen {
        let mut subscription = self.client.subscribe(None, None).await.unwrap();
        let mut seen = Seen::default();
        while let Ok(batch) = tokio::time::timeout_at(until.into(), subscription.next_batch()).await
        {
            batch.unwrap().iter().for_each(|event| look_at(event, Look::Fields, &mut seen));
        }
        seen
    }
}

fn look_at(sequenced: &DcbSequencedEvent, look: Look, seen: &mut Seen) {
    let event = &sequenced.event;
    seen.event(sequenced.position, &event.tags[0], &event.event_type, &event.data, look);
}

fn of_order(name: &str) -> DcbQuery {
    DcbQuery::new().item(DcbQueryItem::new().tags([name]))
}

async fn connected(url: &str) -> Option<AsyncUmaDbClient> {
    UmaDbClient::new(url.to_owned()).batch_size(READ_EVENTS).connect_async().await.ok()
}

pub(crate) async fn connect(
    url: &str,
    (bodies, tags): (&Bodies, u32),
    callers: usize,
    shared_by: usize,
) -> Vec<Client> {
    let mut clients = Vec::new();
    while clients.len() < callers {
        let client = Arc::new(connected(url).await.unwrap());
        let rest = (callers - clients.len()).min(shared_by);
        let shared = std::iter::repeat_n(client, rest);
        clients.extend(shared.map(|client| Client { client, bodies: bodies.clone(), tags }));
    }
    clients
}

pub(crate) async fn answers(url: &str) -> bool {
    // Its client tries ten times, 50 ms apart: the socket is looked at first.
    let address = url.trim_start_matches("http://");
    if tokio::net::TcpStream::connect(address).await.is_err() {
        return false;
    }
    let Some(client) = connected(url).await else { return false };
    client.read_with_head(Some(of_order(&order_name(0))), None, false, None).await.is_ok()
}

pub(crate) async fn count(url: &str) -> u64 {
    connected(url).await.unwrap().head().await.unwrap().unwrap_or(0)
}
