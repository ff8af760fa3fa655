//! What the fuzz targets in `fuzz/` call: each takes any bytes and checks what must hold for all.
//! Does not know who makes the bytes; built for fuzzing and tests only.

use prost::Message as _;

use crate::event::{Event, event_to_json, same_content};
use crate::limits::Limits;
use crate::log::{BlockBuilder, EntryRef, recover};
use crate::proto::OrderEvent;

/// Decoding an entry never panics, and an entry that decodes encodes to the same bytes.
///
/// # Panics
/// Where that does not hold.
pub fn entry(bytes: &[u8]) {
    if let Ok((entry, length)) = EntryRef::decode(bytes, 7) {
        let mut block = BlockBuilder::default();
        block.begin();
        let position = block.push(&entry);
        let encoded = block.finish(64, (7, entry.recorded_at));
        assert_eq!(encoded.get(position..position + length), bytes.get(..length));
    }
}

/// Recovery never panics, hands out dense offsets, and stays inside of the bytes.
///
/// # Panics
/// Where that does not hold.
pub fn segment(bytes: &[u8]) {
    let mut next = 3;
    let found = recover(bytes, 0, 3, |entry, _, _| {
        assert_eq!(entry.offset, next, "offsets are dense");
        next += 1;
    });
    assert_eq!(found.next_offset, next);
    assert!(found.position <= bytes.len());
}

/// Checking an event never panics; what is valid decodes with the generated code too, survives
/// JSON, and is the same as itself.
///
/// # Panics
/// Where that does not hold.
pub fn event(bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(event) = Event::parse(bytes.to_vec(), &limits) else { return };
    assert!(OrderEvent::decode(bytes).is_ok(), "the generated code reads what is valid");
    let json = event_to_json(bytes).to_string();
    let again = Event::from_json(&json, &limits);
    assert!(
        again.as_ref().is_ok_and(|again| same_content(again.body(), event.body())),
        "JSON loses something: {json} gives {again:?}"
    );
}

#[cfg(test)]
mod tests {
    /// The fuzz targets' own smoke test: random edits of good bytes, a fixed number of them.
    #[test]
    fn the_targets_hold_for_mutated_good_bytes() {
        let good: Vec<Vec<u8>> = crate::demo::Demo { orders: 5, seed: 3 }
            .events()
            .map(|event| prost::Message::encode_to_vec(&event))
            .collect();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % 1_000_003).unwrap() % below
        };
        for _ in 0..20_000 {
            let mut bytes = good[random(good.len())].clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            super::event(&bytes);
            super::entry(&bytes);
            super::segment(&bytes);
        }
    }
}
