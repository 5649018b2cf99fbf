//! Values that are copied out of an entry, by way of `rkyv`.

use super::{Section, Writer};
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::io;

/// A value that can be archived.
pub trait Archivable: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>> {}

impl<T> Archivable for T where T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>> {}

/// The archive of a value.
pub fn bytes(value: &impl Archivable) -> io::Result<AlignedVec> {
    rkyv::to_bytes::<Error>(value).map_err(io::Error::other)
}

/// Writes the archive of a value as a section.
pub fn archive(writer: &mut Writer<'_>, value: &impl Archivable) -> io::Result<Section> {
    writer.section(&bytes(value)?[..])
}

/// The value of an archive, which may hold anything: it is checked first.
pub fn unarchive<T>(bytes: &[u8]) -> Result<T, String>
where
    T: Archive,
    T::Archived: for<'a> CheckBytes<HighValidator<'a, Error>> + Deserialize<T, HighDeserializer<Error>>,
{
    rkyv::from_bytes::<T, Error>(bytes).map_err(|error| format!("an archive in it is damaged: {error}"))
}
