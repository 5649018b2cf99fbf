//! Small graphs of any operators, by structure.
#![no_main]

use tidegate_fuzz::{Operators, import};

libfuzzer_sys::fuzz_target!(|operators: Operators| import(&operators.file()));
