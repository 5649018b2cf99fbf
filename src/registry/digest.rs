//! The digest by which a version's content is told from another's.

use sha2::{Digest, Sha256};

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
