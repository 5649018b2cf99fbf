//! Who may use `/api`: anyone who reaches a loopback address, and elsewhere whoever has the token.
//!
//! The token itself is never kept, only its digest, so that no log and no dump can hold it.

use crate::front::reply::{ApiError, Cause};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use std::fs::{self, Metadata};
use std::hint::black_box;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// More than any token has: a file of another kind is not read into memory.
const LONGEST: u64 = 4096;

/// The rule for requests under `/api`.
pub struct Access {
    token: Option<TokenFile>,
    /// Whether only this machine reaches the port.
    local: bool,
}

impl Access {
    /// The rule for an admin port that is bound to `address`.
    pub fn new(token: Option<TokenFile>, address: SocketAddr) -> Self {
        Self { token, local: address.ip().to_canonical().is_loopback() }
    }

    /// Whether a request with these headers may go on.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match (&self.token, self.local) {
            (Some(file), _) => check_token(file, headers),
            (None, true) => Ok(()),
            (None, false) => {
                let words = "the admin port is open to other machines, and there /api needs a token: start the server \
                             with --admin-token-file FILE, or with --admin-listen on 127.0.0.1";
                Err(ApiError::new(Cause::Forbidden, words))
            }
        }
    }
}

fn check_token(file: &TokenFile, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(expected) = file.digest() else {
        let words = "the file of --admin-token-file has become empty or unreadable, so nobody has the right token: \
                     put it back";
        return Err(ApiError::new(Cause::Forbidden, words));
    };
    let refuse = |words: &str| {
        let words = format!(
            "{words}: send the header 'authorization: Bearer TOKEN' with the token of the server's --admin-token-file"
        );
        Err(ApiError { field: Some("authorization".into()), ..ApiError::new(Cause::Unauthenticated, words) })
    };
    match bearer(headers) {
        Some(token) if same(&digest(token), &expected) => Ok(()),
        Some(_) => refuse("the token is not the right one"),
        None => refuse("no token came"),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Compares in a time that tells nothing of where two digests differ.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    black_box(a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b))) == 0
}

/// A file that holds a token, and is read again when it changes.
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Read>,
}

/// What was last found in the file.
struct Read {
    stamp: Option<Stamp>,
    digest: Option<[u8; 32]>,
}

impl TokenFile {
    /// Reads the token; the error says what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, String> {
        let stamp = Stamp::of(path);
        let digest = Some(read(path)?);
        Ok(Self { path: path.to_owned(), read: Mutex::new(Read { stamp, digest }) })
    }

    /// The digest of the token as the file has it now; `None` where it has none.
    fn digest(&self) -> Option<[u8; 32]> {
        // Stamped before it is read: a file that changes in between is read again next time.
        let stamp = Stamp::of(&self.path);
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp != known.stamp {
            let now = read(&self.path);
            match &now {
                Ok(_) => tracing::info!("the admin token was read again"),
                Err(reason) => tracing::error!(reason, "there is no admin token any more; /api is closed"),
            }
            *known = Read { stamp, digest: now.ok() };
        }
        known.digest
    }
}

fn read(path: &Path) -> Result<[u8; 32], String> {
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if metadata.len() > LONGEST {
        return Err(format!("{shown} has {} bytes: expected one token of at most {LONGEST}", metadata.len()));
    }
    let bytes = fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    match bytes.trim_ascii() {
        [] => Err(format!("{shown} is empty: expected a token")),
        token if token.iter().all(u8::is_ascii_graphic) => Ok(digest(token)),
        _ => Err(format!("{shown} does not hold a token: expected one word of visible ASCII letters")),
    }
}

/// Enough of a file to see that it has changed, also behind a symbolic link.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let of = |metadata: Metadata| Self {
            inode: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        fs::metadata(path).ok().map(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(access: &Access, header: Option<&str>) -> Option<Cause> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().expect("a header"));
        }
        access.check(&headers).err().map(|error| error.cause)
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn without_a_token_only_loopback_is_open() {
        for local in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(cause(&Access::new(None, address(local)), None), None, "{local}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert_eq!(cause(&Access::new(None, address(open)), Some("Bearer x")), Some(Cause::Forbidden), "{open}");
        }
    }

    #[test]
    fn with_a_token_it_is_asked_for_everywhere_and_follows_its_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        fs::write(&path, "s3cret\n").expect("written");
        let access = Access::new(Some(TokenFile::open(&path).expect("a token")), address("127.0.0.1:1"));
        for good in ["Bearer s3cret", "bearer  s3cret"] {
            assert_eq!(cause(&access, Some(good)), None, "{good}");
        }
        for bad in [None, Some("Bearer"), Some("Bearer "), Some("Bearer s3cre"), Some("Basic s3cret"), Some("s3cret")] {
            assert_eq!(cause(&access, bad), Some(Cause::Unauthenticated), "{bad:?}");
        }
        fs::write(&path, "other").expect("written");
        assert_eq!(cause(&access, Some("Bearer s3cret")), Some(Cause::Unauthenticated));
        assert_eq!(cause(&access, Some("Bearer other")), None);
        fs::write(&path, "").expect("written");
        assert_eq!(cause(&access, Some("Bearer ")), Some(Cause::Forbidden));
        fs::write(&path, "back").expect("written");
        assert_eq!(cause(&access, Some("Bearer back")), None);
    }

    #[test]
    fn a_file_without_a_token_is_refused_without_its_content() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        let error = || TokenFile::open(&path).err().expect("no token");
        assert!(error().contains("cannot be read"), "{}", error());
        fs::write(&path, " \n").expect("written");
        assert!(error().contains("is empty"), "{}", error());
        fs::write(&path, "two words").expect("written");
        assert!(error().contains("one word") && !error().contains("two"), "{}", error());
        fs::write(&path, "x".repeat(5000)).expect("written");
        assert!(error().contains("5000 bytes"), "{}", error());
    }
}
