//! The seeds of the fuzz targets with random damage: every reader of requests answers, and none panics.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tidegate::Tidegate;
use tidegate::front::bench::{parse_binary, parse_csv, parse_grpc, parse_mlflow, parse_oip, parse_plain, parse_v1};
use tidegate::registry::Version;

static VERSIONS: LazyLock<Vec<Arc<Version>>> = LazyLock::new(|| {
    let gate = |name: &str| Tidegate::open(root().join("models").join(name)).expect("a bundled model");
    ["wine", "churn"].map(|name| gate(name).version(name, None).expect("it serves")).into()
});

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no seeds in {}", folder.display());
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// A seed with some bytes changed, taken out or repeated.
fn damaged(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4u8, 1..40usize);
    (prop::sample::select(seeds(target)), vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
        for (at, byte, kind, len) in changes {
            let at = at.index(bytes.len() + 1).min(bytes.len());
            let end = (at + len).min(bytes.len());
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.drain(at..end)),
                _ => {
                    let part = bytes[at..end].repeat(3);
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn raw_tensors(bytes in damaged("protocol-binary")) {
        if let Some((length, body)) = bytes.split_first_chunk::<2>() {
            let json = usize::from(u16::from_le_bytes(*length)).min(body.len());
            for version in &*VERSIONS {
                let _ = parse_binary(&Bytes::copy_from_slice(body), json, version);
            }
        }
    }

    #[test]
    fn json_requests(bytes in damaged("protocol-json")) {
        for version in &*VERSIONS {
            let _ = (parse_oip(&bytes.clone().into(), version), parse_plain(&bytes, version));
        }
    }

    #[test]
    fn grpc_messages(bytes in damaged("protocol-grpc")) {
        for version in &*VERSIONS {
            let _ = parse_grpc(bytes.clone().into(), version);
        }
    }

    #[test]
    fn first_protocols(bytes in damaged("protocol-first")) {
        for version in &*VERSIONS {
            let _ = (parse_v1(&bytes, version), parse_mlflow(&bytes, version), parse_csv(&bytes, version));
        }
    }
}

#[test]
fn the_seeds_are_requests() {
    let [wine, churn] = &VERSIONS[..] else { panic!("two models") };
    let any = |parse: &dyn Fn(&Version) -> bool| parse(wine) || parse(churn);
    for seed in seeds("protocol-grpc") {
        assert!(any(&|version| parse_grpc(seed.clone().into(), version)));
    }
    for seed in seeds("protocol-json") {
        assert!(any(&|version| parse_oip(&seed.clone().into(), version) || parse_plain(&seed, version)));
    }
    for seed in seeds("protocol-first") {
        assert!(any(&|version| parse_v1(&seed, version) || parse_mlflow(&seed, version) || parse_csv(&seed, version)));
    }
    let whole = seeds("protocol-binary").into_iter().filter(|seed| {
        let (length, body) = seed.split_first_chunk::<2>().expect("a length");
        any(&|version| parse_binary(&Bytes::copy_from_slice(body), usize::from(u16::from_le_bytes(*length)), version))
    });
    assert_eq!(whole.count(), 2, "one of the three lacks inputs");
}
