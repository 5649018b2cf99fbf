//! The digest by which a version's content is told from another's.

use sha2::{Digest, Sha256};

/// SHA-256 over the files' names and contents, in hexadecimal.
pub fn digest<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hasher = Sha256::new();
    for (name, bytes) in files {
        // Lengths before contents, so that no two lists of files run together.
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_borders_count() {
        let a = digest([("x", &b"ab"[..]), ("y", b"c")]);
        assert_ne!(a, digest([("x", &b"a"[..]), ("y", b"bc")]));
        assert_ne!(a, digest([("y", &b"ab"[..]), ("x", b"c")]));
        assert_eq!(a, digest([("x", &b"ab"[..]), ("y", b"c")]));
        assert_eq!(a.len(), 64);
    }
}
