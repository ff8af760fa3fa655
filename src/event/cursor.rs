//! Reads protobuf's wire format, borrowed and without allocation.
//! Does not know any message: that is `schema`'s.

/// One field as it stands in an encoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
}

/// A field's value by wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Why bytes are not protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the message ends in the middle of a field")]
    Truncated,
    #[error("a varint is longer than ten bytes")]
    VarintTooLong,
    #[error("field number 0 or beyond 536870911")]
    FieldNumber,
    #[error("wire type {0} is not in use")]
    WireType(u8),
}

const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

/// The fields of an encoded message, one after the other. Ends after the first error.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

/// The fields of `encoded`.
pub(crate) fn fields(encoded: &[u8]) -> Fields<'_> {
    Fields { rest: encoded }
}

/// The good fields of `encoded`, each with its own bytes: its tag and its value.
pub(crate) fn fields_with_bytes(encoded: &[u8]) -> impl Iterator<Item = (Field<'_>, &[u8])> {
    let mut walk = fields(encoded);
    std::iter::from_fn(move || {
        let before = walk.rest;
        let field = walk.next()?.ok()?;
        let (bytes, _) = before.split_at(before.len() - walk.rest.len());
        Some((field, bytes))
    })
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(field) = self.read_short() {
            return Some(Ok(field));
        }
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    /// Bytes that have not been read yet.
    pub(crate) fn rest_len(&self) -> usize {
        self.rest.len()
    }

    /// A text or a message whose tag and length are a byte each, as nearly all are.
    #[inline]
    fn read_short(&mut self) -> Option<Field<'a>> {
        let [tag, length, rest @ ..] = self.rest else { return None };
        if tag & 0x87 != 2 || *tag == 2 || *length >= 0x80 {
            return None;
        }
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        self.rest = rest;
        Some(Field { number: u32::from(tag >> 3), value: Value::Bytes(value) })
    }

    fn read(&mut self) -> Result<Field<'a>, WireError> {
        let tag = read_varint(&mut self.rest)?;
        let number = tag >> 3;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(WireError::FieldNumber);
        }
        let value = match tag & 7 {
            0 => Value::Varint(read_varint(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(*self.take_array::<8>()?)),
            2 => {
                let length = read_varint(&mut self.rest)?;
                let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(*self.take_array::<4>()?)),
            other => return Err(WireError::WireType(u8::try_from(other).unwrap_or(u8::MAX))),
        };
        Ok(Field { number: u32::try_from(number).unwrap_or(u32::MAX), value })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<&'a [u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[inline]
pub(crate) fn read_varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    match **rest {
        [byte, ref tail @ ..] if byte < 0x80 => {
            *rest = tail;
            Ok(u64::from(byte))
        }
        [low, high, ref tail @ ..] if high < 0x80 => {
            *rest = tail;
            Ok(u64::from(low & 0x7f) | (u64::from(high) << 7))
        }
        _ => read_long_varint(rest),
    }
}

fn read_long_varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(WireError::Truncated)?;
        *rest = tail;
        if shift == 63 && byte > 1 {
            return Err(WireError::VarintTooLong);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(WireError::VarintTooLong)
}

/// Appends `value` as a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

/// Appends a field of wire type 0.
pub(crate) fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

/// Appends a field of wire type 2.
pub(crate) fn put_bytes_field(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_varint(out, (u64::from(number) << 3) | 2);
    put_varint(out, crate::num::u64_from(value.len()));
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_type_is_read_back() {
        let mut encoded = Vec::new();
        put_varint_field(&mut encoded, 1, u64::MAX);
        put_bytes_field(&mut encoded, 2, b"abc");
        encoded.extend([(3 << 3) | 1, 1, 0, 0, 0, 0, 0, 0, 0]);
        encoded.extend([(4 << 3) | 5, 2, 0, 0, 0]);
        let read: Vec<_> = fields(&encoded).map(|field| field.unwrap()).collect();
        assert_eq!(
            read.iter().map(|field| (field.number, field.value)).collect::<Vec<_>>(),
            [
                (1, Value::Varint(u64::MAX)),
                (2, Value::Bytes(b"abc")),
                (3, Value::Fixed64(1)),
                (4, Value::Fixed32(2)),
            ]
        );
        assert_eq!(fields_with_bytes(&encoded).flat_map(|(_, bytes)| bytes).count(), encoded.len());
    }

    #[test]
    fn malformed_bytes_are_named_and_end_the_walk() {
        let cases: [(&[u8], WireError); 6] = [
            (&[0x08], WireError::Truncated),
            (&[0x0a, 5, 1], WireError::Truncated),
            (&[0x0b], WireError::WireType(3)),
            (&[0x00, 1], WireError::FieldNumber),
            (&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], WireError::VarintTooLong),
            (&[0xff; 12], WireError::VarintTooLong),
        ];
        for (bytes, error) in cases {
            let mut walk = fields(bytes);
            assert_eq!(walk.next(), Some(Err(error)), "{bytes:?}");
            assert_eq!(walk.next(), None);
        }
    }
}
