//! Who goes first when the processor is short.

/// Work that nobody waits for: loading, warming up, watching.
pub const BACKGROUND: i32 = 10;
/// Batches: behind the threads that read and answer requests, so that a refusal is quick even
/// while the compute threads have more work than they can do.
pub const COMPUTE: i32 = 3;

/// Gives the calling thread a lower priority (a higher "nice" value). Where that is not possible
/// it goes on as it is.
pub fn lower_this_thread(nice: i32) {
    // On Linux a priority belongs to a thread, and a thread's id is taken where a process's is.
    let this = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(this), nice) {
        tracing::debug!(%error, nice, "the thread's priority could not be lowered");
    }
}
