//! Loaded versions for the readers of requests: one wide input, and a column of numbers or text for each feature.

use std::sync::{Arc, LazyLock};
use tidegate::Tidegate;
use tidegate::registry::Version;

/// The bundled models `wine` and `churn`.
pub static VERSIONS: LazyLock<Vec<Arc<Version>>> = LazyLock::new(|| {
    ["wine", "churn"]
        .map(|name| {
            let path = format!("{}/../models/{name}", env!("CARGO_MANIFEST_DIR"));
            let gate = Tidegate::open(path).expect("a bundled model");
            gate.version(name, None).expect("it serves")
        })
        .into()
});
