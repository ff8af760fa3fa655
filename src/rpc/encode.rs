//! Writes stored entries into replay messages without decoding them: `RecordedEvent`s as they stand
//! in an `EventChunk`. Does not know streams.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::log::EntryRef;
use crate::num::u64_from;
use crate::time::{signed, timestamp};

/// Field numbers of `RecordedEvent`, and the one field of `EventChunk`.
mod field {
    pub(super) const CHUNK_EVENTS: u64 = 1;
    pub(super) const OFFSET: u64 = 1;
    pub(super) const REVISION: u64 = 2;
    pub(super) const RECORDED_AT: u64 = 3;
    pub(super) const EVENT: u64 = 4;
    pub(super) const PREVIOUS: u64 = 5;
    pub(super) const LEAF_HASH: u64 = 6;
    pub(super) const SECONDS: u64 = 1;
    pub(super) const NANOS: u64 = 2;
}

const VARINT: u64 = 0;
const BYTES: u64 = 2;

/// An `EventChunk` in the making.
#[derive(Debug, Default)]
pub(super) struct ChunkEncoder {
    bytes: BytesMut,
    head: BytesMut,
    include_hashes: bool,
}

impl ChunkEncoder {
    /// Writes `previous` and `leaf_hash` of each event, or leaves them out.
    pub(super) fn new(include_hashes: bool) -> Self {
        Self { include_hashes, ..Self::default() }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The finished chunk; the next one begins.
    pub(super) fn take(&mut self) -> Bytes {
        self.bytes.split().freeze()
    }

    /// Gives back the memory that it keeps for the next chunk.
    pub(super) fn let_go(&mut self) {
        *self = Self::new(self.include_hashes);
    }

    pub(super) fn push(&mut self, entry: &EntryRef<'_>) {
        let time = timestamp(signed(entry.recorded_at));
        let (seconds, nanos) =
            (time.seconds.cast_unsigned(), u64::from(time.nanos.cast_unsigned()));
        let leaf_hash = self.include_hashes.then(|| entry.leaf_hash());
        self.head.clear();
        put_varint(&mut self.head, field::OFFSET, entry.offset);
        put_varint(&mut self.head, field::REVISION, entry.revision);
        put_key(&mut self.head, field::RECORDED_AT, BYTES);
        let time_len = 2 + encoded_len_varint(seconds) + encoded_len_varint(nanos);
        encode_varint(u64_from(time_len), &mut self.head);
        put_varint(&mut self.head, field::SECONDS, seconds);
        put_varint(&mut self.head, field::NANOS, nanos);
        if let Some(leaf_hash) = &leaf_hash {
            put_bytes(&mut self.head, field::PREVIOUS, entry.previous);
            put_bytes(&mut self.head, field::LEAF_HASH, leaf_hash);
        }
        let body_len = u64_from(entry.body.len());
        let length = self.head.len() + 1 + encoded_len_varint(body_len) + entry.body.len();
        put_key(&mut self.bytes, field::CHUNK_EVENTS, BYTES);
        encode_varint(u64_from(length), &mut self.bytes);
        self.bytes.put_slice(&self.head);
        put_bytes(&mut self.bytes, field::EVENT, entry.body);
    }
}

fn put_key(out: &mut BytesMut, number: u64, wire_type: u64) {
    encode_varint((number << 3) | wire_type, out);
}

fn put_varint(out: &mut BytesMut, number: u64, value: u64) {
    put_key(out, number, VARINT);
    encode_varint(value, out);
}

fn put_bytes(out: &mut BytesMut, number: u64, value: &[u8]) {
    put_key(out, number, BYTES);
    encode_varint(u64_from(value.len()), out);
    out.put_slice(value);
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto::{EventChunk, OrderEvent};

    #[test]
    fn a_chunk_is_what_a_client_decodes() {
        let event = OrderEvent { correlation_id: "erp/1".into(), ..OrderEvent::default() };
        let body = event.encode_to_vec();
        let entry = EntryRef {
            offset: 300,
            recorded_at: 1_700_000_000_000_000_007,
            revision: 0,
            previous: &[9; 32],
            correlation_id: b"erp/1",
            body: &body,
        };
        for include_hashes in [false, true] {
            let mut encoder = ChunkEncoder::new(include_hashes);
            encoder.push(&entry);
            encoder.push(&entry);
            let chunk = EventChunk::decode(encoder.take()).unwrap();
            assert_eq!(chunk.events.len(), 2);
            let recorded = &chunk.events[1];
            assert_eq!((recorded.offset, recorded.revision), (300, 0));
            let time = recorded.recorded_at.unwrap();
            assert_eq!((time.seconds, time.nanos), (1_700_000_000, 7));
            assert_eq!(recorded.event.as_ref(), Some(&event));
            assert_eq!(recorded.leaf_hash.is_empty(), !include_hashes);
            assert_eq!(recorded.previous.is_empty(), !include_hashes);
        }
    }
}
