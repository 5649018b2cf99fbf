//! How many threads a process starts, and how it tells what it counted them by.

mod common;

use common::client::{Client, Request};
use common::good;
use common::process::Process;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Value, json};
use std::thread;

fn page(process: &Process) -> Value {
    good("process", &Client::connect(process.admin).ask(&Request::get("/api/process")))
}

/// Starts the binary where its threads may run on one core only: a child has its parent's cores.
fn start_on_one_core(more: &'static [&str]) -> Process {
    let confined = thread::spawn(|| {
        let all = sched_getaffinity(None).expect("the cores of this thread");
        let one = (0..CpuSet::MAX_CPU).find(|core| all.is_set(*core)).expect("a core");
        let mut set = CpuSet::new();
        set.set(one);
        sched_setaffinity(None, &set).expect("a core that this thread has");
        Process::start(more)
    });
    confined.join().expect("no panic")
}

#[test]
fn threads_are_counted_by_the_cores_that_may_be_used() {
    let process = Process::start(&[]);
    let cores = thread::available_parallelism().expect("known on Linux").get();
    let page = page(&process);
    assert_eq!((&page["threads"]["io"], &page["threads"]["compute"]), (&json!(cores), &json!(cores)), "{page}");
    assert_eq!((&page["threads"]["loader"], &page["limits"]["cores"]), (&json!(2), &json!(cores)), "{page}");
    let words = format!("{cores} I/O, {cores} compute, 2 loaders; cores that may be used: {cores}");
    assert!(process.threads.starts_with(&words), "{}", process.threads);
}

#[test]
fn on_one_core_there_is_one_thread_of_each_kind_unless_told_otherwise() {
    let process = start_on_one_core(&[]);
    let one = page(&process);
    assert_eq!((&one["threads"]["io"], &one["threads"]["compute"]), (&json!(1), &json!(1)), "{one}");
    assert_eq!((&one["limits"]["cores"], &one["limits"]["cores_allowed"]), (&json!(1), &json!(1)), "{one}");
    assert!(process.threads.starts_with("1 I/O, 1 compute,"), "{}", process.threads);
    let process = start_on_one_core(&["--threads", "3"]);
    let three = page(&process);
    assert_eq!((&three["threads"]["io"], &three["limits"]["cores"]), (&json!(3), &json!(1)), "{three}");
    assert!(
        process.threads.starts_with("3 I/O, 3 compute, 2 loaders; cores that may be used: 1"),
        "{}",
        process.threads
    );
}
