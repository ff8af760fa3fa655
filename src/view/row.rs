//! How a row's value is written: a version, a CRC over key and value, and bincode.
//! Does not know which tables there are. Nothing here outlives a rebuild of the views.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of all rows: of how they are written, and of the fold that they hold. Views of
/// another version are rebuilt, never migrated.
pub(super) const ROW_VERSION: u8 = 4;

/// The checksum of what the golden histories fold to, as of that version: where it changes, views
/// hold orders of an earlier fold.
#[cfg(test)]
const GOLDEN_CRC: u32 = 0x1e44_1c4d;

/// A value that says it is larger is not decoded.
const DECODED_LEN_MAX: usize = 256 * 1024 * 1024;

/// A row is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of the views is damaged")]
pub(super) struct DamagedRow;

fn config() -> Configuration<LittleEndian, Varint, Limit<DECODED_LEN_MAX>> {
    bincode::config::standard().with_limit()
}

/// The bytes of a row's value.
pub(super) fn encode_row(key: &[u8], value: &impl Serialize) -> Vec<u8> {
    let mut row = vec![ROW_VERSION, 0, 0, 0, 0];
    // Writing into memory fails for no value that the tables hold; a failure reads as damage.
    let _ = bincode::serde::encode_into_std_write(value, &mut row, config());
    let crc = row_crc(key, row.get(5..).unwrap_or_default()).to_le_bytes();
    if let Some(place) = row.get_mut(1..5) {
        place.copy_from_slice(&crc);
    }
    row
}

/// The value of a row.
pub(super) fn decode_row<T: DeserializeOwned>(key: &[u8], row: &[u8]) -> Result<T, DamagedRow> {
    let (head, value) = row.split_first_chunk::<5>().ok_or(DamagedRow)?;
    let [version, crc @ ..] = *head;
    if version != ROW_VERSION || u32::from_le_bytes(crc) != row_crc(key, value) {
        return Err(DamagedRow);
    }
    let decoded = bincode::serde::decode_from_slice(value, config());
    match decoded {
        Ok((decoded, read)) if read == value.len() => Ok(decoded),
        Ok(_) | Err(_) => Err(DamagedRow),
    }
}

fn row_crc(key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A new golden history changes the sum as well: then the fold may be as it was, and the sum
    /// alone is written anew.
    #[test]
    fn the_version_is_raised_with_the_fold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        files.sort();
        let mut hasher = crc32fast::Hasher::new();
        for path in &files {
            hasher.update(&std::fs::read(path).unwrap());
        }
        let found = hasher.finalize();
        assert_eq!(
            found, GOLDEN_CRC,
            "golden orders are not those of rows of version {ROW_VERSION}: where the fold has \
             changed, raise ROW_VERSION, and then set GOLDEN_CRC to {found:#010x}"
        );
    }

    // Seen red with the CRC left out of `decode_row`.
    #[test]
    fn every_flipped_bit_of_a_row_is_damage() {
        let row = encode_row(b"key", &vec![(1_u64, 2_u32); 3]);
        assert_eq!(decode_row::<Vec<(u64, u32)>>(b"key", &row), Ok(vec![(1, 2); 3]));
        assert_eq!(decode_row::<Vec<(u64, u32)>>(b"kez", &row), Err(DamagedRow));
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_row::<Vec<(u64, u32)>>(b"key", &flipped), Err(DamagedRow));
        }
    }
}
