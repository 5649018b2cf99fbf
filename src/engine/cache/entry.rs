//! One file of the cache: a preamble, sections of plain numbers, and a head that names them.
//!
//! The head is an `rkyv` archive and is checked by it; the sections are used where they lie. The
//! digest covers every byte, so what disks and copies do to a file is found out before any of it is
//! believed. It is no proof against whoever can write there: what a file says is checked besides.

use super::mapping::Mapping;
use super::stored::Stored;
use bytemuck::{Pod, Zeroable};
use rkyv::{Archive, Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Counts the forms that entries have had. To be raised whenever the head, a section or what either
/// means changes, and when trees are laid out in another way.
pub const LAYOUT: u32 = 2;

const MAGIC: [u8; 8] = *b"tidegate";
/// Told as a number, so that a processor of the other byte order reads another one.
const ORDER: u32 = 0x0102_0304;
/// Sections start at multiples of this: a line of the processor's cache.
const ALIGN: usize = 64;
/// Where the first section starts.
const BODY: usize = 128;

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Preamble {
    magic: [u8; 8],
    order: u32,
    layout: u32,
    /// Of the file.
    length: u64,
    head_at: u64,
    head_length: u64,
    /// Digest of the entry's name: a file under another name is not believed.
    name: [u8; 16],
    /// Digest of the file with this field zero, the body first.
    digest: [u8; 16],
    spare: [u64; 7],
}

const _: () = assert!(size_of::<Preamble>() == BODY);

/// The place of a section: its first byte, and how many.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    at: u64,
    bytes: u64,
}

/// Writes an entry from front to back.
pub struct Writer<'a> {
    file: &'a File,
    at: usize,
    limit: u64,
    hasher: Xxh3,
}

impl<'a> Writer<'a> {
    /// More than `limit` bytes are not written.
    pub fn new(mut file: &'a File, limit: u64) -> io::Result<Self> {
        file.write_all(&[0; BODY])?;
        Ok(Self { file, at: BODY, limit, hasher: Xxh3::new() })
    }

    /// Writes a list of plain numbers.
    pub fn section<T: Pod>(&mut self, values: &[T]) -> io::Result<Section> {
        let bytes = bytemuck::cast_slice::<T, u8>(values);
        let section = Section { at: self.at as u64, bytes: bytes.len() as u64 };
        let gap = bytes.len().next_multiple_of(ALIGN) - bytes.len();
        self.write(bytes)?;
        self.write(&[0; ALIGN][..gap])?;
        Ok(section)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len();
        if self.at as u64 > self.limit {
            return Err(io::Error::other(format!(
                "it takes more than the {} bytes that --cache-bytes allows",
                self.limit
            )));
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }

    /// Writes the head and then the preamble; answers the length of the file.
    pub fn finish(mut self, head: &[u8], name: &str) -> io::Result<u64> {
        let head_at = self.at as u64;
        self.write(head)?;
        let mut preamble = Preamble {
            magic: MAGIC,
            order: ORDER,
            layout: LAYOUT,
            length: self.at as u64,
            head_at,
            head_length: head.len() as u64,
            name: name_digest(name),
            digest: [0; 16],
            spare: [0; 7],
        };
        self.hasher.update(bytemuck::bytes_of(&preamble));
        preamble.digest = self.hasher.digest128().to_le_bytes();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(bytemuck::bytes_of(&preamble))?;
        self.file.sync_all()?;
        Ok(preamble.length)
    }
}

fn name_digest(name: &str) -> [u8; 16] {
    xxh3_128(name.as_bytes()).to_le_bytes()
}

/// Gives damaged bytes the digest that makes them pass for whole: what is behind the digest is tried.
#[cfg(test)]
pub fn seal(bytes: &mut [u8]) {
    let digest = std::mem::offset_of!(Preamble, digest);
    bytes[digest..digest + 16].fill(0);
    let mut hasher = Xxh3::new();
    hasher.update(&bytes[BODY..]);
    hasher.update(&bytes[..BODY]);
    let sum = hasher.digest128().to_le_bytes();
    bytes[digest..digest + 16].copy_from_slice(&sum);
}

/// An entry that is whole, as far as its digest tells.
pub struct Entry {
    mapping: Arc<Mapping>,
    head: Section,
}

impl Entry {
    /// Checks the preamble and the digest; the error says what is wrong with the file.
    pub fn open(mapping: Mapping, name: &str) -> Result<Self, String> {
        let bytes = mapping.bytes();
        let Some((first, body)) = bytes.split_at_checked(BODY) else {
            return Err(format!("it is cut short: {} bytes", bytes.len()));
        };
        let preamble: Preamble = bytemuck::pod_read_unaligned(first);
        preamble.check(bytes.len(), name)?;
        let mut hasher = Xxh3::new();
        hasher.update(body);
        hasher.update(bytemuck::bytes_of(&Preamble { digest: [0; 16], ..preamble }));
        if hasher.digest128().to_le_bytes() != preamble.digest {
            return Err("its digest is not that of its bytes".into());
        }
        let head = Section { at: preamble.head_at, bytes: preamble.head_length };
        Ok(Self { mapping: Arc::new(mapping), head })
    }

    /// The archive that says what the sections are.
    pub fn head(&self) -> Result<&[u8], String> {
        self.bytes(self.head)
    }

    /// The bytes of a section.
    pub fn bytes(&self, section: Section) -> Result<&[u8], String> {
        self.range(section).and_then(|range| self.mapping.bytes().get(range)).ok_or_else(|| outside(section))
    }

    /// A section as the list that was written, left where it lies.
    pub fn stored<T: Pod>(&self, section: Section) -> Result<Stored<T>, String> {
        let range = self.range(section).ok_or_else(|| outside(section))?;
        Stored::mapped(&self.mapping, range).ok_or_else(|| outside(section))
    }

    fn range(&self, section: Section) -> Option<std::ops::Range<usize>> {
        let (at, bytes) = (usize::try_from(section.at).ok()?, usize::try_from(section.bytes).ok()?);
        Some(at..at.checked_add(bytes)?)
    }
}

fn outside(section: Section) -> String {
    format!("a section of {} bytes at {} is not inside, or of another type", section.bytes, section.at)
}

impl Preamble {
    fn check(&self, length: usize, name: &str) -> Result<(), String> {
        if self.magic != MAGIC {
            return Err("it is no file of this cache".into());
        }
        if self.order != ORDER {
            return Err("it was written by a machine of another byte order".into());
        }
        if self.layout != LAYOUT {
            return Err(format!("it has layout {}, expected {LAYOUT}", self.layout));
        }
        if self.length != length as u64 {
            return Err(format!("it has {length} bytes, expected {}", self.length));
        }
        if self.name != name_digest(name) {
            return Err("it was written under another name".into());
        }
        Ok(())
    }
}
