//! Bytes as a file of panes: read, added to itself, and asked for every window.
#![no_main]

use tidegate::monitor::history::keep;
use tidegate::monitor::history::{Detail, Span};
use tidegate_fuzz::{bounded, watch};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    watch();
    let mut bytes = bytes.to_vec();
    let length = bytes.len();
    let Some(mut kept) = bounded(length, || keep::open_sealed(&mut bytes)) else { return };
    // What came out is in proportion to the file, and so is what is made of it.
    let other = kept.history.clone();
    let _ = kept.history.merge(&other);
    for span in Span::ALL {
        let now = kept.history.last_end(span).saturating_add(span.milliseconds());
        for detail in [Detail::Counts, Detail::Full] {
            let window = kept.history.window(span, now, detail);
            std::hint::black_box((window.n_eff(), window.degraded()));
        }
        std::hint::black_box(kept.history.previous(span, now, Detail::Counts));
    }
    std::hint::black_box(kept.history.same_hour_last_week(kept.history.last_end(Span::Hour)));
});
