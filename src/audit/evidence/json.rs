//! How the data of a file of evidence is written: in lines, and so that no page ends inside of it.
//! Does not know what it says.

use std::fmt::Display;
use std::io::{self, Write};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::log::Hash;

/// Down to this depth each member and each element begins a line.
const LINES_DEPTH: usize = 4;

/// A number of 64 bits as decimal text: what reads JSON often knows 53 bits only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal<T>(pub(super) T);

/// Bytes in base64, with padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base64<T>(pub(super) T);

/// A value as the text that stands for it, and for nothing else.
pub(super) fn to_text(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, Lines { depth: 0 });
    let written = value.serialize(&mut writer);
    debug_assert!(written.is_ok(), "memory takes all, and keys are text");
    String::from_utf8(text).unwrap_or_default()
}

struct Lines {
    depth: usize,
}

impl Lines {
    fn begin(&self, writer: &mut (impl ?Sized + Write), first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b"," })?;
        writer.write_all(if self.depth <= LINES_DEPTH { b"\n" } else { b"" })
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_array_value<W>(&mut self, writer: &mut W, first: bool) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        self.begin(writer, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }

    fn begin_object_key<W>(&mut self, writer: &mut W, first: bool) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        self.begin(writer, first)
    }

    /// Neither `</script` nor `<!--` can stand inside.
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        for (index, part) in fragment.split('<').enumerate() {
            writer.write_all(if index == 0 { b"" } else { b"\\u003c" })?;
            writer.write_all(part.as_bytes())?;
        }
        Ok(())
    }
}

impl<T: Display> Serialize for Decimal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Decimal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().map_err(|_| D::Error::custom("not a decimal number in text"))?;
        Ok(Self(number))
    }
}

impl<T: AsRef<[u8]>> Serialize for Base64<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

fn decoded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text).map_err(|_| D::Error::custom("not base64"))
}

impl<'de> Deserialize<'de> for Base64<Vec<u8>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decoded(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Base64<Hash> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hash = decoded(deserializer)?.try_into();
        hash.map(Self).map_err(|_| D::Error::custom("a hash that is not 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_in_lines_and_ends_no_page() {
        let value = serde_json::json!({
            "a": ["</script><!-- \" \\ \n \u{7f} \u{e4}", {"b": [{"c": {"<d": [1, []]}}]}],
        });
        let text = to_text(&value);
        let lines = "{\n\"a\":[\n\"\\u003c/script>\\u003c!-- \\\" \\\\ \\n \u{7f} \u{e4}\",\n{\n\
                     \"b\":[\n{\"c\":{\"\\u003cd\":[1,[]]}}]}]}";
        assert_eq!(text, lines);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn numbers_and_bytes_have_one_text_only() {
        for (text, canonical) in [
            ("\"7\"", true),
            ("\"07\"", false),
            ("\"+7\"", false),
            ("\"18446744073709551615\"", true),
        ] {
            let read: Decimal<u64> = serde_json::from_str(text).unwrap();
            assert_eq!(to_text(&read) == text, canonical, "{text}");
        }
        for text in ["7", "\"\"", "\"18446744073709551616\"", "\"-1\"", "\"1.0\"", "\" 1\""] {
            assert!(serde_json::from_str::<Decimal<u64>>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Base64<Vec<u8>>>("\"AQ==\"").is_ok());
        for text in ["\"AQ\"", "\"AR==\"", "\"AQ= =\"", "\"A-==\"", "\"AQ==\\n\""] {
            assert!(serde_json::from_str::<Base64<Vec<u8>>>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Base64<Hash>>("\"AQ==\"").is_err());
    }
}
