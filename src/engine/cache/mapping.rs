//! A file of the cache, mapped into memory: read where it lies, and shared by all processes that
//! use it.

#![allow(unsafe_code)] // a mapping is only as steady as its file; here is why these files are

use std::fs::File;
use std::io;

/// The bytes of a whole file.
#[derive(Debug)]
pub struct Mapping(memmap2::Mmap);

impl Mapping {
    /// Maps a file of the cache's directory, and has the kernel read it in at once.
    pub fn of(file: &File) -> io::Result<Self> {
        // SAFETY: nobody but us may write in the directory (its owner and mode are checked when it is
        // opened, the file's before it comes here), and we never change a file in place: it is
        // written under another name, renamed when it is whole, and later removed as a whole.
        unsafe { memmap2::MmapOptions::new().populate().map(file).map(Self) }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}
