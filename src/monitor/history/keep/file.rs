//! One file: a preamble, records of packed windows, and a head that says what they are.
//!
//! The digest covers every byte, so what disks and copies do to a file is found out first. It is no
//! proof against whoever can write there: everything that a record says is checked besides, and no
//! list is longer than the file.

use super::super::super::sketch::Shape;
use super::super::History;
use super::super::stored::Packed;
use super::super::week::Folded;
use super::columns::{Label, StoredShape};
use super::{Kept, with_ending};
use bytemuck::{Pod, Zeroable};
use rkyv::rancor::Error as Archive;
use rkyv::util::AlignedVec;
use rkyv::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

/// Counts the forms that files have had.
const LAYOUT: u32 = 1;
const MAGIC: [u8; 8] = *b"tgpanes\0";
/// Told as a number, so that a processor of the other byte order reads another one.
const ORDER: u32 = 0x0102_0304;
/// Larger files are not read: as many columns as may be, with every sketch full, are smaller.
const MOST_BYTES: u64 = 1 << 30;
const MOST_COLUMNS: usize = 4096;
/// Entries of all rings together.
const MOST_RECORDS: usize = 6 + 13 + 25 + 8 * 24;

/// Why a file is not read or written. The words name the file and the field.
#[derive(Debug, Error)]
pub enum KeepError {
    #[error("{}: {field}: {reason}", path.display())]
    Wrong { path: PathBuf, field: &'static str, reason: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: it could be neither read nor set aside, so nothing is written over it", path.display())]
    Blocked { path: PathBuf },
}

impl KeepError {
    pub(super) fn wrong(path: &Path, field: &'static str, reason: impl ToString) -> Self {
        Self::Wrong { path: path.into(), field, reason: reason.to_string() }
    }

    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Preamble {
    magic: [u8; 8],
    order: u32,
    layout: u32,
    /// Of the file.
    length: u64,
    head_at: u64,
    /// Of the file with this field zero, the preamble last.
    digest: [u8; 16],
    spare: [u64; 2],
}

const BODY: usize = size_of::<Preamble>();

#[derive(rkyv::Archive, Serialize, Deserialize)]
struct Head {
    label: Label,
    shapes: Vec<StoredShape>,
    now_ms: u64,
    records: Vec<Record>,
}

#[derive(rkyv::Archive, Serialize, Deserialize, Clone, Copy)]
struct Record {
    contents: Contents,
    at: u64,
    bytes: u64,
}

/// What a record is an entry of.
#[derive(rkyv::Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    Minutes,
    Fives,
    Hours,
    Week,
}

/// The bytes of a record.
pub(super) enum Source<'a> {
    Packed(&'a Packed),
    Folded(AlignedVec),
}

impl Source<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Packed(packed) => packed.bytes(),
            Self::Folded(bytes) => bytes,
        }
    }
}

/// Writes a file in place of the one that is there, record by record, and waits for the disk.
pub(super) fn write<'a>(
    path: &Path,
    label: &Label,
    history: &History,
    records: impl Iterator<Item = (Contents, Source<'a>)>,
) -> Result<(), KeepError> {
    let temporary = with_ending(path, "tmp");
    let directory = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(directory).and_then(|()| {
        let mut file = File::create(&temporary)?;
        fill(&mut file, label, history, records)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    });
    written.map_err(KeepError::io(path))
}

fn fill<'a>(
    file: &mut File,
    label: &Label,
    history: &History,
    records: impl Iterator<Item = (Contents, Source<'a>)>,
) -> io::Result<()> {
    let mut hasher = Xxh3::new();
    let mut at = BODY;
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        at += bytes.len();
        file.write_all(bytes).map(|()| at)
    };
    put(&[0; BODY])?;
    let mut listed = Vec::new();
    for (contents, source) in records {
        let end = put(source.bytes())?;
        let bytes = source.bytes().len();
        listed.push(Record { contents, at: (end - bytes - BODY) as u64, bytes: bytes as u64 });
    }
    let shapes = history.shapes().iter().map(StoredShape::of).collect();
    let head = Head { label: label.clone(), shapes, now_ms: history.now_ms, records: listed };
    let head = rkyv::to_bytes::<Archive>(&head).map_err(io::Error::other)?;
    let length = put(&head)? - BODY;
    let head_at = (length - head.len()) as u64;
    let mut preamble = Preamble {
        magic: MAGIC,
        order: ORDER,
        layout: LAYOUT,
        length: length as u64,
        head_at,
        digest: [0; 16],
        spare: [0; 2],
    };
    hasher.update(bytemuck::bytes_of(&preamble));
    preamble.digest = hasher.digest128().to_le_bytes();
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytemuck::bytes_of(&preamble))
}

/// What a file holds, every part of it checked; `None` if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Kept>, KeepError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeepError::io(path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(KeepError::io(path))?;
    open(&bytes).map(Some).map_err(|(field, reason)| KeepError::wrong(path, field, reason))
}

/// A field and what is wrong with it.
type Wrong = (&'static str, String);

/// The history in the bytes of a file, which may be anything.
pub(super) fn open(bytes: &[u8]) -> Result<Kept, Wrong> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(("length", format!("more than {MOST_BYTES} bytes")));
    }
    let Some((first, _)) = bytes.split_at_checked(BODY) else {
        return Err(("length", format!("cut short: {} bytes", bytes.len())));
    };
    let preamble: Preamble = bytemuck::pod_read_unaligned(first);
    preamble.check(bytes)?;
    let head_at = usize::try_from(preamble.head_at).unwrap_or(usize::MAX);
    let mut head = AlignedVec::<16>::new();
    head.extend_from_slice(bytes.get(head_at..).ok_or(("head", "outside of the file".into()))?);
    let head = rkyv::from_bytes::<Head, Archive>(&head).map_err(|error| ("head", error.to_string()))?;
    fit(bytes, head)
}

impl Preamble {
    fn check(&self, bytes: &[u8]) -> Result<(), Wrong> {
        if self.magic != MAGIC {
            return Err(("magic", "no file of panes".into()));
        }
        if self.order != ORDER {
            return Err(("order", "written by a machine of another byte order".into()));
        }
        if self.layout != LAYOUT {
            return Err(("layout", format!("{}, expected {LAYOUT}", self.layout)));
        }
        if self.length != bytes.len() as u64 {
            return Err(("length", format!("{} bytes, expected {}", bytes.len(), self.length)));
        }
        if digest(bytes, self) != self.digest {
            return Err(("digest", "not that of the bytes: the file is damaged".into()));
        }
        Ok(())
    }
}

fn digest(bytes: &[u8], preamble: &Preamble) -> [u8; 16] {
    let mut hasher = Xxh3::new();
    hasher.update(&[0; BODY]);
    hasher.update(bytes.get(BODY..).unwrap_or_default());
    hasher.update(bytemuck::bytes_of(&Preamble { digest: [0; 16], ..*preamble }));
    hasher.digest128().to_le_bytes()
}

/// Puts the records into a history.
fn fit(bytes: &[u8], head: Head) -> Result<Kept, Wrong> {
    if head.shapes.len() != head.label.columns.len() {
        return Err(("shapes", format!("{} of them, expected {}", head.shapes.len(), head.label.columns.len())));
    }
    if head.shapes.len() > MOST_COLUMNS || head.records.len() > MOST_RECORDS {
        let found = (head.shapes.len(), head.records.len());
        return Err((
            "records",
            format!("{found:?} columns and records, expected at most {:?}", (MOST_COLUMNS, MOST_RECORDS)),
        ));
    }
    // Records that lie upon each other would take memory many times over.
    if head.records.iter().fold(0u64, |sum, record| sum.saturating_add(record.bytes)) > bytes.len() as u64 {
        return Err(("records", "longer together than the file".into()));
    }
    let shapes: Result<Vec<Shape>, String> = head.shapes.into_iter().map(StoredShape::shape).collect();
    let mut history = History::new(shapes.map_err(|reason| ("shapes", reason))?);
    history.now_ms = head.now_ms;
    for (at, record) in head.records.iter().enumerate() {
        let place = usize::try_from(record.at).ok().zip(usize::try_from(record.bytes).ok());
        let place = place.and_then(|(from, length)| bytes.get(from..from.checked_add(length)?));
        let place = place.ok_or_else(|| ("records", format!("record {at} is outside of the file")))?;
        enter(&mut history, record.contents, place).map_err(|reason| ("records", format!("record {at}: {reason}")))?;
    }
    Ok(Kept { label: head.label, history })
}

fn enter(history: &mut History, contents: Contents, bytes: &[u8]) -> Result<(), String> {
    if contents == Contents::Week {
        let hour = Folded::read(bytes, &history.folded)?;
        history.week.insert(hour);
        return Ok(());
    }
    let packed = Packed::read(bytes, &history.shapes).map_err(|error| error.to_string())?;
    let ring = match contents {
        Contents::Minutes => &mut history.minutes,
        Contents::Fives => &mut history.fives,
        Contents::Hours | Contents::Week => &mut history.hours,
    };
    ring.insert(packed, &history.shapes).map_err(|error| error.to_string())
}

/// A file whose records all lie in the same place.
#[cfg(test)]
pub(super) fn piled(bytes: &[u8], times: usize) -> Vec<u8> {
    let preamble: Preamble = bytemuck::pod_read_unaligned(&bytes[..BODY]);
    let (body, head) = bytes.split_at(preamble.head_at as usize);
    let mut aligned = AlignedVec::<16>::new();
    aligned.extend_from_slice(head);
    let mut head = rkyv::from_bytes::<Head, Archive>(&aligned).expect("its own bytes");
    head.records = vec![head.records[0]; times];
    let mut piled = body.to_vec();
    piled.extend_from_slice(&rkyv::to_bytes::<Archive>(&head).expect("written"));
    seal(&mut piled);
    piled
}

/// Gives damaged bytes the digest that makes them pass for whole: what is behind the digest is tried.
#[cfg(any(test, fuzzing))]
pub(super) fn seal(bytes: &mut [u8]) {
    let Some(first) = bytes.get(..BODY) else { return };
    let read: Preamble = bytemuck::pod_read_unaligned(first);
    let length = bytes.len() as u64;
    let mut preamble = Preamble { magic: MAGIC, order: ORDER, layout: LAYOUT, length, ..read };
    preamble.digest = digest(bytes, &preamble);
    bytes[..BODY].copy_from_slice(bytemuck::bytes_of(&preamble));
}
