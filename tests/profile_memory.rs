//! A profile takes bounded memory, however long its file. Alone in its process: what is measured is
//! the most that the process has ever held.

use std::io::{BufWriter, Write};
use tidegate::monitor::reference::{Choice, build};

const FILE_BYTES: u64 = 96 << 20;
const MOST_GROWTH: u64 = 24 << 20;

#[test]
fn a_file_far_larger_than_the_bound_is_summed_up_within_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("long.csv");
    let mut file = BufWriter::new(std::fs::File::create(&path).expect("made"));
    writeln!(file, "number,id,note").expect("written");
    let note = "n".repeat(2000);
    let (mut rows, mut bytes) = (0u64, 0u64);
    while bytes < FILE_BYTES {
        let row = format!("{},id{rows},{rows}{note}\n", rows.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        file.write_all(row.as_bytes()).expect("written");
        (rows, bytes) = (rows + 1, bytes + row.len() as u64);
    }
    file.flush().expect("written");
    let before = peak();
    let built = build(&path, &Choice::default(), &mut |_, _| {}).expect("a good file");
    let growth = peak() - before;
    assert_eq!(built.profile.rows, rows);
    assert!(growth < MOST_GROWTH, "{} KiB more for a file of {} KiB", growth >> 10, bytes >> 10);
}

/// The most memory that the process has held, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}
