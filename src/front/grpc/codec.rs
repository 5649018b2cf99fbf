//! Messages from bytes and back, with a bound on what few bytes can be made into.

use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Members that one message may have: an empty input takes two bytes on the wire and hundreds in memory.
const MOST_MEMBERS: usize = 1 << 16;

/// Protobuf as gRPC carries it.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Reader<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader(PhantomData)
    }
}

/// Reads messages; what cannot be read is the caller's mistake, not the server's.
#[derive(Debug)]
pub struct Reader<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for Reader<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        use bytes::Buf;
        // All of the message is there, in one piece.
        check_members(buffer.chunk())?;
        U::decode(buffer).map(Some).map_err(|error| malformed(&error))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

pub(super) fn check_members(mut bytes: &[u8]) -> Result<(), Status> {
    let mut members = 0;
    while !bytes.is_empty() {
        members += 1;
        if members > MOST_MEMBERS {
            return Err(Status::invalid_argument(format!("the message has more than {MOST_MEMBERS} members")));
        }
        let (tag, kind) = decode_key(&mut bytes).map_err(|error| malformed(&error))?;
        skip_field(kind, tag, &mut bytes, DecodeContext::default()).map_err(|error| malformed(&error))?;
    }
    Ok(())
}

fn malformed(error: &prost::DecodeError) -> Status {
    Status::invalid_argument(format!("malformed message: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_too_many_members_is_refused_before_it_is_read() {
        // An empty input: member 5, of length 0.
        let inputs = |count: usize| [0x2a, 0].repeat(count);
        assert!(check_members(&inputs(MOST_MEMBERS)).is_ok());
        assert!(check_members(&inputs(MOST_MEMBERS + 1)).is_err());
        assert!(check_members(&[0x2a, 5, 0]).is_err(), "longer than what is there");
        assert!(check_members(&[0xff; 20]).is_err());
    }
}
