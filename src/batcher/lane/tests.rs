//! Lanes under random traffic: every caller gets its own rows, whoever else comes, leaves or fails.

use super::*;
use crate::engine::{Session, TensorSpec};
use crate::tensor::DType;
use proptest::prelude::*;
use std::sync::mpsc;
use std::thread;

/// Answers each row with itself; some values make it fail, some make it panic.
struct Echo {
    signature: Signature,
    /// Held by a test to keep the worker busy.
    gate: Arc<Mutex<()>>,
}

const REFUSED: f32 = -1.0;
const PANICS: f32 = -2.0;

impl Echo {
    fn prepared(columns: &Dim, gate: &Arc<Mutex<()>>) -> Arc<dyn Prepared> {
        let spec = |name: &str| TensorSpec::new(name, DType::F32, vec![Dim::Any(None), columns.clone()]);
        Arc::new(Self { signature: Signature::new(vec![spec("x")], vec![spec("y")]), gate: gate.clone() })
    }
}

impl Prepared for Echo {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn session(&self) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(EchoSession(self.gate.clone())))
    }

    fn memory_bytes(&self) -> usize {
        0
    }
}

struct EchoSession(Arc<Mutex<()>>);

impl Session for EchoSession {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let values = inputs[0].as_slice::<f32>().expect("floats");
        assert!(!values.contains(&PANICS), "asked to panic");
        if values.contains(&REFUSED) {
            return Err(RunError::Input("refused".into()));
        }
        Ok(inputs.to_vec())
    }

    /// Leaves are told as the number of the row in its batch, so that a mixture would show.
    fn run_asked(&mut self, inputs: &[Tensor], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        let mut outputs = self.run(inputs)?;
        if extras.leaf {
            let rows = inputs[0].rows();
            outputs.push(Tensor::of([rows, 1], (0..rows as i64).collect::<Vec<_>>()).expect("fits"));
        }
        Ok(outputs)
    }
}

fn lane(settings: Settings, pool: &Pool, gate: &Arc<Mutex<()>>, columns: Dim) -> Arc<Lane> {
    let (model, cost) = (Echo::prepared(&columns, gate), Cost::default());
    Lane::new(Work { model, cost, merge: true, trial: Vec::new() }, settings, pool, 2).expect("sessions")
}

/// No inline path: everything is queued.
fn queued() -> Settings {
    Settings { inline_below: Duration::ZERO, deadline: Duration::from_secs(30), ..Settings::default() }
}

fn tensor(values: &[f32], columns: usize) -> Vec<Tensor> {
    vec![Tensor::of([values.len() / columns, columns], values.to_vec()).expect("fits")]
}

fn submit(lane: &Arc<Lane>, values: &[f32], columns: usize) -> Result<Ticket, BatchError> {
    submit_asking(lane, values, columns, Extras::NONE)
}

fn submit_asking(lane: &Arc<Lane>, values: &[f32], columns: usize, extras: Extras) -> Result<Ticket, BatchError> {
    let deadline = Instant::now() + lane.settings().deadline;
    let asked = Asked { inputs: tensor(values, columns), extras };
    match lane.submit(asked, values.len() / columns, deadline)? {
        Submitted::Queued(ticket) => Ok(ticket),
        Submitted::Done(_) => panic!("nothing runs inline here"),
    }
}

fn values(answer: &Answer) -> Vec<f32> {
    answer.outputs[0].as_slice::<f32>().expect("floats").to_vec()
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Waits,
    Leaves,
    Refused,
    Panics,
}

fn traffic() -> impl Strategy<Value = Vec<(usize, usize, Fate, bool)>> {
    let fate = prop_oneof![
        6 => Just(Fate::Waits), 2 => Just(Fate::Leaves), 1 => Just(Fate::Refused), 1 => Just(Fate::Panics),
    ];
    proptest::collection::vec((1usize..6, 1usize..4, fate, any::<bool>()), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Random sizes, row shapes, cancellations, refusals and panics: each answer is its caller's own.
    #[test]
    fn rows_never_reach_the_wrong_caller(requests in traffic(), max_rows in 1usize..20, delay_us in 0u64..300) {
        std::panic::set_hook(Box::new(|_| {}));
        let pool = Pool::new(2).expect("threads");
        let gate = Arc::new(Mutex::new(()));
        let settings = Settings { max_rows, max_delay: Duration::from_micros(delay_us), ..queued() };
        let lane = lane(settings, &pool, &gate, Dim::Any(None));
        let held = gate.lock().expect("gate");
        let mut waiting = Vec::new();
        let mut left = 0;
        for (number, (rows, columns, fate, leaf)) in requests.iter().enumerate() {
            let mut wanted: Vec<f32> = (0..rows * columns).map(|at| (number * 1000 + at) as f32).collect();
            match fate {
                Fate::Refused => wanted[0] = REFUSED,
                Fate::Panics => wanted[0] = PANICS,
                Fate::Waits | Fate::Leaves => {}
            }
            let extras = Extras { margin: false, leaf: *leaf };
            let ticket = submit_asking(&lane, &wanted, *columns, extras).expect("room");
            match fate {
                Fate::Leaves => { drop(ticket); left += 1; }
                other => waiting.push((ticket, wanted, *other, *leaf)),
            }
        }
        drop(held);
        for (ticket, wanted, fate, leaf) in waiting {
            let outcome = ticket.wait();
            match fate {
                Fate::Refused => prop_assert_eq!(outcome.expect_err("refused"), BatchError::Input("refused".into())),
                Fate::Panics => prop_assert_eq!(outcome.expect_err("panics"), BatchError::Panicked),
                _ => {
                    let answer = outcome.expect("answered");
                    prop_assert_eq!(answer.outputs.len(), 1 + usize::from(leaf), "extras are for those who ask");
                    prop_assert_eq!(values(&answer), wanted);
                }
            }
        }
        prop_assert_eq!(lane.queued_rows(), 0);
        prop_assert!(lane.stats().cancelled.get() + lane.stats().wasted.get() <= left);
    }
}

#[test]
fn the_queue_holds_exactly_what_it_says() {
    let pool = Pool::new(1).expect("threads");
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().expect("gate");
    let lane = lane(Settings { queue_rows: 10, instances: 1, ..queued() }, &pool, &gate, Dim::Fixed(1));
    // The first request occupies the only worker; wait until it has left the queue.
    let busy = submit(&lane, &[0.0], 1).expect("room");
    while lane.queued_rows() > 0 {
        thread::yield_now();
    }
    let tickets: Vec<Ticket> = (0..10).map(|x| submit(&lane, &[x as f32], 1).expect("room for ten")).collect();
    let full = submit(&lane, &[10.0], 1).err().expect("no room for eleven");
    assert_eq!(full, BatchError::QueueFull { limit_name: "queue_rows", unit: "rows", limit: 10, depth: 10 });
    // A caller who leaves makes room at once, though the worker is still busy.
    let mut tickets = tickets;
    drop(tickets.remove(3));
    assert_eq!(lane.queued_rows(), 9);
    tickets.push(submit(&lane, &[11.0], 1).expect("room again"));
    let whole = submit(&lane, &[0.0; 11], 1).err().expect("never fits");
    assert!(matches!(whole, BatchError::TooLarge { limit: 10, got: 11, .. }));
    drop(held);
    busy.wait().expect("answered");
    tickets.into_iter().for_each(|ticket| drop(ticket.wait().expect("answered")));
}

#[test]
fn a_deadline_does_not_wait_for_a_worker() {
    let pool = Pool::new(1).expect("threads");
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().expect("gate");
    let lane = lane(Settings { instances: 1, ..queued() }, &pool, &gate, Dim::Fixed(1));
    let busy = submit(&lane, &[0.0], 1).expect("room");
    while lane.queued_rows() > 0 {
        thread::yield_now();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
    let started = Instant::now();
    let deadline = started + Duration::from_millis(20);
    let Submitted::Queued(ticket) = lane.submit(tensor(&[1.0], 1), 1, deadline).expect("room") else {
        panic!("queued")
    };
    let outcome = runtime.block_on(ticket.answer());
    assert!(matches!(outcome, Err(BatchError::Deadline(_))));
    assert!(Instant::now() >= deadline, "it did not give up early");
    assert_eq!((lane.queued_rows(), lane.stats().expired.get()), (0, 1));
    drop(held);
    busy.wait().expect("answered");
    assert_eq!(lane.stats().compute.count(), 1, "the expired request was never computed");
}

#[test]
fn requests_merge_only_while_the_worker_is_busy() {
    let pool = Pool::new(1).expect("threads");
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().expect("gate");
    let lane = lane(Settings { instances: 1, ..queued() }, &pool, &gate, Dim::Fixed(1));
    let first = submit(&lane, &[0.0], 1).expect("room");
    while lane.queued_rows() > 0 {
        thread::yield_now();
    }
    let rest: Vec<Ticket> = (1..6).map(|x| submit(&lane, &[x as f32], 1).expect("room")).collect();
    drop(held);
    assert_eq!(values(&first.wait().expect("answered")), [0.0]);
    for (x, ticket) in (1..6).zip(rest) {
        assert_eq!(values(&ticket.wait().expect("answered")), [x as f32]);
    }
    assert_eq!(lane.stats().compute.count(), 2, "one alone, five together");
}

#[test]
fn a_tiny_request_runs_on_the_callers_thread() {
    let pool = Pool::new(1).expect("threads");
    let gate = Arc::default();
    let lane = lane(Settings::default(), &pool, &gate, Dim::Fixed(1));
    let deadline = Instant::now() + Duration::from_secs(1);
    let submitted = lane.submit(tensor(&[5.0], 1), 1, deadline).expect("runs");
    assert!(matches!(submitted, Submitted::Done(answer) if values(&answer) == [5.0]));
    assert_eq!(lane.stats().inline.get(), 1);
}

#[test]
fn a_full_batch_does_not_wait_out_its_delay() {
    let pool = Pool::new(1).expect("threads");
    let gate = Arc::default();
    let settings = Settings { max_rows: 4, max_delay: Duration::from_secs(20), ..queued() };
    let lane = lane(settings, &pool, &gate, Dim::Fixed(1));
    let tickets: Vec<Ticket> = (0..4).map(|x| submit(&lane, &[x as f32], 1).expect("room")).collect();
    let started = Instant::now();
    tickets.into_iter().for_each(|ticket| drop(ticket.wait().expect("answered")));
    assert!(started.elapsed() < Duration::from_secs(10), "the batch was full");
    assert_eq!(lane.stats().full.get(), 1);
}

#[test]
fn a_stopped_pool_answers_what_still_waits() {
    let pool = Pool::new(1).expect("threads");
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().expect("gate");
    let lane = lane(Settings { instances: 1, ..queued() }, &pool, &gate, Dim::Fixed(1));
    let busy = submit(&lane, &[0.0], 1).expect("room");
    while lane.queued_rows() > 0 {
        thread::yield_now();
    }
    let waiting = submit(&lane, &[1.0], 1).expect("room");
    let (stopping, stopped) = mpsc::channel();
    let stopper = thread::spawn(move || {
        stopping.send(()).expect("the test listens");
        pool.stop();
    });
    stopped.recv().expect("started");
    drop(held);
    busy.wait().expect("the batch in hand is finished");
    let outcome = waiting.wait();
    // The worker may have taken it before the stop was seen; it is never left without an answer.
    assert!(matches!(outcome, Ok(_) | Err(BatchError::Stopped)));
    stopper.join().expect("joined");
    let refused = submit(&lane, &[2.0], 1).and_then(Ticket::wait);
    assert_eq!(refused.expect_err("nobody works"), BatchError::Stopped);
}

#[test]
fn a_request_that_would_wait_past_its_deadline_is_refused_at_once() {
    let pool = Pool::new(1).expect("threads");
    let gate = Arc::new(Mutex::new(()));
    let lane = lane(Settings { instances: 1, max_rows: 1, ..queued() }, &pool, &gate, Dim::Fixed(1));
    // Two requests while the gate is shut for 50 ms: the second waited that long behind one row.
    let held = gate.lock().expect("gate");
    let first = submit(&lane, &[0.0], 1).expect("room");
    while lane.queued_rows() > 0 {
        thread::yield_now();
    }
    let behind: Vec<Ticket> = (1..3).map(|x| submit(&lane, &[x as f32], 1).expect("room")).collect();
    let shut = Instant::now();
    while shut.elapsed() < Duration::from_millis(50) {
        thread::yield_now();
    }
    drop(held);
    first.wait().expect("answered");
    behind.into_iter().for_each(|ticket| drop(ticket.wait().expect("answered")));
    // Ten rows wait: at 50 ms a row, 20 ms are hopeless, and a minute is not.
    let held = gate.lock().expect("gate");
    let busy = submit(&lane, &[0.0], 1).expect("room");
    while lane.queued_rows() > 0 {
        thread::yield_now();
    }
    let ahead: Vec<Ticket> = (0..10).map(|x| submit(&lane, &[x as f32], 1).expect("room")).collect();
    let soon = lane.submit(tensor(&[1.0], 1), 1, Instant::now() + Duration::from_millis(20)).err().expect("hopeless");
    assert!(matches!(soon, BatchError::Hopeless { rows_ahead: 10, .. }), "{soon}");
    assert_eq!((lane.queued_rows(), lane.stats().hopeless.get()), (10, 1));
    let later = lane.submit(tensor(&[1.0], 1), 1, Instant::now() + Duration::from_secs(60)).expect("room");
    drop(held);
    busy.wait().expect("answered");
    ahead.into_iter().for_each(|ticket| drop(ticket.wait().expect("answered")));
    let Submitted::Queued(later) = later else { panic!("queued") };
    later.wait().expect("answered");
    assert_eq!(pool.budget().used(), (0, 0), "every place was given back");
}

#[test]
fn lanes_share_the_limits_of_the_process() {
    let pool = Pool::with_limits(1, crate::batcher::Limits { rows: 3, bytes: 1 << 20 }).expect("threads");
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().expect("gate");
    let lanes = [0, 1].map(|_| lane(Settings { instances: 1, ..queued() }, &pool, &gate, Dim::Fixed(1)));
    let busy = submit(&lanes[0], &[0.0], 1).expect("room");
    while lanes[0].queued_rows() > 0 {
        thread::yield_now();
    }
    let waiting: Vec<Ticket> = (0..3).map(|at| submit(&lanes[at % 2], &[1.0], 1).expect("room for three")).collect();
    let full = submit(&lanes[1], &[1.0], 1).err().expect("no room for four");
    assert!(matches!(full, BatchError::QueueFull { limit_name: "max_queued_rows", limit: 3, depth: 3, .. }), "{full}");
    drop(held);
    busy.wait().expect("answered");
    waiting.into_iter().for_each(|ticket| drop(ticket.wait().expect("answered")));
    assert_eq!(pool.budget().used(), (0, 0));
}
