//! A file read as a stream, unpacked where it is packed, that gives up on a row without end.

use super::MOST_ROW_BYTES;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

pub struct Input {
    stream: Box<dyn Read + Send>,
    /// The same open file: its place tells how far the stream has come.
    file: File,
    /// Bytes that may still come before the row has to end.
    left: usize,
}

impl Input {
    pub fn open(path: &Path, packed: bool) -> io::Result<Self> {
        let file = File::open(path)?;
        let stream = file.try_clone()?;
        let stream: Box<dyn Read + Send> =
            if packed { Box::new(MultiGzDecoder::new(io::BufReader::new(stream))) } else { Box::new(stream) };
        Ok(Self { stream, file, left: MOST_ROW_BYTES })
    }

    /// A row has ended: the next may be as long again.
    pub fn row_ended(&mut self) {
        self.left = MOST_ROW_BYTES;
    }

    /// Whether the last row was longer than rows may be.
    pub fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// Bytes of the file that have been read.
    pub fn position(&mut self) -> u64 {
        self.file.stream_position().unwrap_or(0)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the row is too long"));
        }
        let most = buffer.len().min(self.left);
        let got = self.stream.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= got;
        Ok(got)
    }
}
