//! How messages are read from the wire: as protobuf, but a request with a field that this version
//! does not know is refused. A newer client's filter would otherwise be ignored, and its answer
//! hold more than it asked for. Does not know the messages.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::{Message, Name};
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstCodec, ProstEncoder};

use super::status::invalid;
use crate::event::unknown_fields;

/// What names of requests end in.
const REQUEST: &str = "Request";

/// The codec of every method.
#[derive(Clone, Debug)]
pub(crate) struct StrictCodec<T, U>(PhantomData<(T, U)>);

/// Reads messages.
#[derive(Clone, Debug)]
pub(crate) struct StrictDecoder<U>(PhantomData<U>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(PhantomData)
    }
}

impl<U: Message + Name + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, encoded: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let encoded = encoded.copy_to_bytes(encoded.remaining());
        if U::NAME.ends_with(REQUEST) {
            let unknown = unknown_fields(U::NAME, &encoded);
            if !unknown.is_empty() {
                return Err(invalid(&unknown));
            }
        }
        let decoded = U::decode(encoded);
        decoded.map(Some).map_err(|error| Status::new(Code::Internal, error.to_string()))
    }
}
