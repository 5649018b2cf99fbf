//! Model files by way of the cache: the same model, and damage that ends in the file's own answers.

use crate::engine::cache::{Cache, Place, Settings, seal};
use crate::engine::conformance::{Closeness, judge};
use crate::engine::tabular::native::import;
use crate::engine::tabular::native::tests::{FILES, format, options, read};
use crate::engine::{Extras, Format, Loaded, Options, Origin, golden};
use crate::tensor::Tensor;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

struct Room {
    _parent: tempfile::TempDir,
    path: PathBuf,
    cache: Cache,
}

fn room() -> Room {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("cache");
    let settings = Settings { directory: Some(path.clone()), bytes: 1 << 24 };
    Room { path, cache: Cache::open(&settings).expect("private"), _parent: parent }
}

impl Room {
    fn load_with(&self, name: &str, options: Options) -> Loaded {
        let place = Place { cache: &self.cache, content: name };
        import(format(name), &read(name), options, Some(place)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn load(&self, name: &str) -> Loaded {
        self.load_with(name, options(name))
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).expect("a directory");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

#[test]
fn every_file_comes_out_of_the_cache_as_it_went_in() {
    for name in FILES {
        let room = room();
        let first = room.load(name);
        assert_eq!(first.origin, Origin::File, "{name}");
        let again = room.load(name);
        assert_eq!(again.origin, Origin::Cache, "{name}");
        assert_eq!((&again.choice, again.model.columns()), (&first.choice, first.model.columns()), "{name}");
        let [a, b] = [&first, &again].map(|loaded| format!("{:?}", loaded.model.signature()));
        assert_eq!(a, b, "{name}");
        let words = |loaded: &Loaded| (0..4).map(|at| loaded.model.words(at).cloned()).collect::<Vec<_>>();
        assert_eq!(words(&again), words(&first), "{name}");
        assert_eq!(words(&again)[2].is_some(), name.contains("words"), "{name}");
        let golden = read(&format!("{name}.golden.json"));
        let cases = golden::read(&golden, again.model.signature()).expect("cases");
        judge(again.model.as_ref(), &cases, Closeness::EXACT).unwrap_or_else(|words| panic!("{name}: {words}"));
    }
}

#[test]
fn only_what_changes_the_layout_has_an_entry_of_its_own() {
    let room = room();
    let load = |name: &str, margin, leaf, double| {
        let loaded = room.load_with(name, Options { extras: Extras { margin, leaf }, double });
        (loaded.origin, loaded.model.signature().outputs.len(), loaded.model.signature().extras.len())
    };
    assert_eq!(load("lgb-binary.txt", false, false, false), (Origin::File, 2, 2));
    assert_eq!(load("lgb-binary.txt", true, false, false), (Origin::Cache, 3, 1));
    assert_eq!(load("lgb-binary.txt", true, true, false), (Origin::Cache, 4, 0));
    assert_eq!(load("lgb-binary.txt", false, false, true), (Origin::File, 2, 2), "doubles want another layout");
    assert_eq!(load("lgb-binary.txt", false, true, true), (Origin::Cache, 3, 1));
    assert_eq!(room.files().len(), 2);
    // Another format under the same digest is another file.
    let place = Place { cache: &room.cache, content: "lgb-binary.txt" };
    assert!(import(Format::Ubj, &read("lgb-binary.txt"), Options::default(), Some(place)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Whole or not, whatever carries the right digest is refused or can be run.
    #[test]
    fn damaged_entries_are_refused_or_run(
        name in prop::sample::select(&FILES[..]),
        blows in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 4]>(), 1usize..5), 1..4),
        sealed in prop::bool::weighted(0.9),
    ) {
        let room = room();
        room.load(name);
        let file = room.files().pop().expect("an entry");
        let whole = fs::read(&file).expect("readable");
        let mut bytes = whole.clone();
        for (at, blow, count) in blows {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + count);
            bytes[at..end].copy_from_slice(&blow[..end - at]);
        }
        if sealed {
            seal(&mut bytes);
        }
        let changed = bytes != whole;
        fs::write(&file, bytes).expect("written");
        let loaded = room.load(name);
        prop_assert!(sealed || !changed || loaded.origin == Origin::File, "the digest tells");
        let width = loaded.model.signature().inputs[0].row_elements().expect("a fixed width");
        prop_assume!(width < 1 << 16);
        let values = [f32::NAN, -1.0, 0.0, 2.5, 1e30, f32::INFINITY, -0.5];
        let rows = values.iter().cycle().take(40 * width).copied().collect();
        let rows = Tensor::of([40, width], rows).expect("it fits");
        let outputs = loaded.model.session().expect("a session").run(&[rows]).expect("an answer");
        prop_assert_eq!(outputs.len(), loaded.model.signature().outputs.len());
    }
}
