//! Tree ensembles by structure: the three operators, with lists of their attributes that nearly fit.
#![no_main]

use tidegate_fuzz::{Ensemble, import};

libfuzzer_sys::fuzz_target!(|ensemble: Ensemble| import(&ensemble.file()));
