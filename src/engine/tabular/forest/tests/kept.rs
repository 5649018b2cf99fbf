//! Forests out of the cache: the same answers from whole entries, and no step outside from damaged
//! ones whose digest is right.

use super::kernels::{FEATURES, ensemble, rows, ways};
use crate::engine::cache::{Cache, Settings, seal, unarchive};
use crate::engine::tabular::forest::{Forest, Rows};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

const NAME: &str = "forest";

struct Room {
    _parent: tempfile::TempDir,
    cache: Cache,
    file: PathBuf,
}

fn room() -> Room {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("cache");
    let cache = Cache::open(&Settings { directory: Some(path.clone()), bytes: 1 << 24 }).expect("private");
    Room { _parent: parent, cache, file: path.join(NAME) }
}

impl Room {
    fn revived(&self) -> Option<Forest> {
        self.cache.load(NAME, |entry| Forest::revive(unarchive(entry.head()?)?, entry))
    }
}

/// Bytes that are put over others; where they go is counted from the middle of the file.
fn blows() -> impl Strategy<Value = Vec<(prop::sample::Index, Vec<u8>)>> {
    let word = prop::sample::select(vec![0u32, 1, 2, 63, 1 << 16, 1 << 28, 1 << 31, u32::MAX]);
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..5),
        word.prop_map(|word| word.to_le_bytes().to_vec()),
        Just(f64::NAN.to_le_bytes().to_vec()),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), bytes), 1..4)
}

fn bits(scores: &[f64]) -> Vec<u64> {
    scores.iter().map(|score| score.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_revived_forest_answers_as_it_did(ensemble in ensemble(), rows in rows()) {
        let forest = Forest::new(&ensemble).expect("a sound ensemble");
        let room = room();
        room.cache.store(NAME, |writer| forest.keep(writer));
        let revived = room.revived().expect("it is whole");
        let mut scores = [vec![0.0; rows.len() / FEATURES * ensemble.targets], vec![]];
        scores[1] = scores[0].clone();
        forest.score(Rows::F64(&rows), &mut scores[0]);
        revived.score(Rows::F64(&rows), &mut scores[1]);
        prop_assert_eq!(bits(&scores[0]), bits(&scores[1]));
        let rows: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        for how in ways() {
            forest.score_by(how, &rows, &mut scores[0]);
            revived.score_by(how, &rows, &mut scores[1]);
            prop_assert_eq!(bits(&scores[0]), bits(&scores[1]), "{:?}", how);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Every kernel runs over what passes. A step outside ends the test: lists are checked where
    /// they are indexed, and `get_unchecked` is too without optimisation.
    #[test]
    fn what_passes_for_sound_never_leads_outside(
        ensemble in ensemble(), rows in rows(), blows in blows(), at_end in any::<bool>(),
    ) {
        let forest = Forest::new(&ensemble).expect("a sound ensemble");
        let room = room();
        room.cache.store(NAME, |writer| forest.keep(writer));
        let mut bytes = fs::read(&room.file).expect("written");
        for (at, blow) in blows {
            // The head is at the end, the sections before it.
            let from = if at_end { bytes.len().saturating_sub(600).max(128) } else { 0 };
            let at = from + at.index(bytes.len() - from);
            let end = bytes.len().min(at + blow.len());
            bytes[at..end].copy_from_slice(&blow[..end - at]);
        }
        seal(&mut bytes);
        fs::write(&room.file, bytes).expect("written");
        let Some(revived) = room.revived() else { return Ok(()) };
        // Wider than any head may say by chance that still fits a few columns.
        if revived.features() != FEATURES || revived.targets() > 64 {
            return Ok(());
        }
        let mut scores = vec![0.0; rows.len() / FEATURES * revived.targets()];
        revived.score(Rows::F64(&rows), &mut scores);
        let rows: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        revived.score(Rows::F32(&rows), &mut scores);
        for how in ways() {
            revived.score_by(how, &rows, &mut scores);
        }
    }
}
