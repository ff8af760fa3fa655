//! A caller of the gRPC service that does nothing. Does not know what the bytes mean.

use bytes::{Bytes, BytesMut};
use prost::Message as _;

use super::ledger::put_event;
use crate::feed::{Bodies, Told};
use crate::load::client::{BytesClient, connect_callers};
use crate::load::echo::{Parcel, UNARY};

pub(crate) struct Client {
    client: BytesClient,
    bodies: Bodies,
}

impl Client {
    /// Sends events and gets them back.
    pub(crate) async fn echo(&mut self, events: &[Told]) -> u64 {
        let mut content = BytesMut::new();
        for told in events {
            put_event(&self.bodies, *told, 1, &mut content);
        }
        let parcel = Parcel { content: content.freeze(), times: 1 };
        let answer = self.client.unary(UNARY, Bytes::from(parcel.encode_to_vec())).await.unwrap();
        assert_eq!(Parcel::decode(answer).unwrap().times, 1);
        0
    }
}

pub(crate) async fn connect(
    url: &str,
    bodies: &Bodies,
    callers: usize,
    shared_by: usize,
) -> Vec<Client> {
    let channels = connect_callers(url, callers, shared_by).await;
    let client = |channel| Client { client: BytesClient::new(channel), bodies: bodies.clone() };
    channels.into_iter().map(client).collect()
}
