//! The digest by which a version's content is told from another's.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a file in memory at a time.
const PIECE: usize = 64 << 10;

/// SHA-256 over files' names and contents, one file after the other.
#[derive(Clone, Default)]
pub struct Digests(Sha256);

impl Digests {
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        // Lengths before contents, so that no two lists of files run together.
        self.0.update((name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds a file that need not fit into memory, piece by piece.
    pub fn add_file(&mut self, name: &str, path: &Path) -> std::io::Result<()> {
        let mut content = Sha256::new();
        let mut file = File::open(path)?;
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => content.update(&piece[..read]),
            }
        }
        self.add(name, &content.finalize());
        Ok(())
    }

    /// The digest of what was added up to now, in hexadecimal.
    pub fn now(&self) -> String {
        self.0.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_borders_count() {
        let digest = |files: [(&str, &[u8]); 2]| {
            let mut digests = Digests::default();
            files.iter().for_each(|(name, bytes)| digests.add(name, bytes));
            digests.now()
        };
        let a = digest([("x", &b"ab"[..]), ("y", b"c")]);
        assert_ne!(a, digest([("x", &b"a"[..]), ("y", b"bc")]));
        assert_ne!(a, digest([("y", &b"ab"[..]), ("x", b"c")]));
        assert_eq!(a, digest([("x", &b"ab"[..]), ("y", b"c")]));
        assert_eq!(a.len(), 64);
    }
}
