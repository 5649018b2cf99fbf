//! The cache as a whole: what is written comes back, what is damaged does not, and it stays small.

use super::*;
use std::fs;
use std::path::Path;

struct Room {
    _parent: tempfile::TempDir,
    path: PathBuf,
}

fn room() -> Room {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("cache");
    Room { _parent: parent, path }
}

fn open(room: &Room, bytes: usize) -> Cache {
    Cache::open(&Settings { directory: Some(room.path.clone()), bytes }).expect("a private directory")
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn store(cache: &Cache, name: &str, values: &[u32]) {
    cache.store(name, |writer| Ok((writer.section(&[0.5f64])?, writer.section(values)?)));
}

fn load(cache: &Cache, name: &str) -> Option<Vec<u32>> {
    cache.load(name, |entry| {
        let (_, values): (Section, Section) = unarchive(entry.head()?)?;
        let values: Stored<u32> = entry.stored(values)?;
        Ok(values.to_vec())
    })
}

#[test]
fn what_is_written_comes_back_where_it_lies() {
    let room = room();
    let cache = open(&room, 1 << 20);
    assert_eq!(load(&cache, "a"), None);
    store(&cache, "a", &[1, 2, 3]);
    assert_eq!(load(&cache, "a"), Some(vec![1, 2, 3]));
    assert_eq!(names(&room.path), ["a"]);
    let kept = cache.load("a", |entry| {
        let (_, values): (Section, Section) = unarchive(entry.head()?)?;
        assert!(entry.stored::<u64>(values).is_err(), "12 bytes are no whole number of u64");
        entry.stored::<u32>(values)
    });
    let kept = kept.expect("there");
    fs::remove_file(room.path.join("a")).expect("removed");
    assert!(matches!(kept, Stored::Mapped(_)));
    assert_eq!(kept[..], [1, 2, 3], "the mapping outlives the name");
}

#[test]
fn every_damaged_byte_and_every_cut_sets_the_file_aside() {
    let room = room();
    let cache = open(&room, 1 << 20);
    store(&cache, "a", &[1, 2, 3]);
    let whole = fs::read(room.path.join("a")).expect("written");
    let damaged = (0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
    let longer = [&whole[..], &[0; 64]].concat();
    for bytes in damaged.chain(cut).chain([longer]) {
        let shown = bytes.len();
        let _ = fs::remove_file(room.path.join("a.bad"));
        fs::remove_file(room.path.join("a")).ok();
        drop(cache.directory.create("a").expect("new"));
        fs::write(room.path.join("a"), bytes).expect("written");
        assert_eq!(load(&cache, "a"), None, "{shown} of {} bytes", whole.len());
        assert_eq!(names(&room.path), ["a.bad"], "{shown}");
    }
    store(&cache, "a", &[1, 2, 3]);
    assert_eq!(load(&cache, "a"), Some(vec![1, 2, 3]), "made again");
}

#[test]
fn a_file_under_another_name_or_of_another_layout_is_refused() {
    let room = room();
    let cache = open(&room, 1 << 20);
    store(&cache, "a", &[1]);
    fs::copy(room.path.join("a"), room.path.join("b")).expect("copied");
    assert_eq!(load(&cache, "b"), None);
    let mut bytes = fs::read(room.path.join("a")).expect("written");
    bytes[12] ^= 0xff;
    seal(&mut bytes);
    fs::write(room.path.join("a"), bytes).expect("written");
    assert_eq!(load(&cache, "a"), None);
    assert_eq!(names(&room.path), ["a.bad", "b.bad"]);
}

#[test]
fn the_directory_stays_within_its_bound() {
    let room = room();
    let one = {
        let cache = open(&room, 1 << 20);
        store(&cache, "a", &[0; 1000]);
        fs::metadata(room.path.join("a")).expect("written").len() as usize
    };
    let cache = open(&room, 2 * one + one / 2);
    for name in ["b", "a", "c"] {
        // The file system's clock must tell one use from the next.
        std::thread::sleep(std::time::Duration::from_millis(20));
        if load(&cache, name).is_none() {
            store(&cache, name, &[0; 1000]);
        }
    }
    assert_eq!(names(&room.path), ["a", "c"], "b was not used since a was");
    store(&cache, "large", &[0; 4000]);
    assert_eq!(names(&room.path), ["a", "c"], "what is larger than the bound is not kept");
}

#[test]
fn a_failed_write_costs_the_entry_alone() {
    let room = room();
    let cache = open(&room, 1 << 20);
    cache.store::<u32>("a", |_| Err(io::Error::other("no space left")));
    assert_eq!(names(&room.path), [""; 0]);
    fs::remove_dir(&room.path).expect("empty");
    store(&cache, "a", &[1]);
    assert_eq!(load(&cache, "a"), None);
}

#[test]
fn writers_of_one_name_do_not_disturb_each_other_or_readers() {
    let room = room();
    let caches = [open(&room, 1 << 20), open(&room, 1 << 20)];
    let values: Vec<u32> = (0..5000).collect();
    std::thread::scope(|scope| {
        for cache in &caches {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        store(cache, "a", &values);
                        assert!(load(cache, "a").as_ref() == Some(&values), "it is there and whole");
                    }
                });
            }
        }
    });
    assert_eq!(names(&room.path), ["a"]);
}
