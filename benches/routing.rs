//! What a traffic plan adds to a request: choosing by it, and counting what came of it.
//!
//! `cargo bench --bench routing`. Before the times it prints how much memory each request asks for,
//! which is to be none.
#![allow(unsafe_code, reason = "only an allocator can count what is asked of it")]

use criterion::{Criterion, criterion_group, criterion_main};
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tidegate::batcher::Pool;
use tidegate::registry::{Directive, Registry, Settings};
use tidegate::router::{Asker, Body, Choice, Names, Routed, choose, choose_without_plan};
use tidegate::traffic::{Live, Plan};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The churn model with a plan in force.
fn registry(pool: &Arc<Pool>, document: &Value) -> Registry {
    let plan = Plan::read(document, |_| false).expect("a good plan");
    let live = Live::new("churn", Arc::new(plan), None, None).expect("it fits");
    let directive = Directive { live: Some(Arc::new(live)), ..Directive::default() };
    let paths = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/models/churn").into()];
    let settings = Settings { paths, ..Settings::default() };
    let registry = Registry::start_with(settings, pool, BTreeMap::from([("churn".to_owned(), directive)]));
    let registry = registry.expect("threads");
    registry.wait_until_tried();
    registry
}

fn routed(choice: Choice) -> Routed {
    match choice {
        Choice::Version(routed) => routed,
        Choice::NeedsBody => panic!("no plan here looks into bodies it was not given"),
    }
}

fn overhead(criterion: &mut Criterion) {
    let pool = Arc::new(Pool::new(2).expect("threads"));
    let split = json!({"1": 5000, "2": 5000});
    let plain = registry(&pool, &json!({"split": split}));
    let by_header = registry(&pool, &json!({"split": split, "sticky": {"header": "x-user-id"}}));
    let by_body = registry(&pool, &json!({"split": split, "sticky": {"pointer": "/user"}}));
    let names = Names { model: Some("churn"), ..Names::default() };
    let mut users: Vec<HeaderMap> = Vec::new();
    for user in 0..1000 {
        let mut headers = HeaderMap::new();
        headers.insert("x-user-id", HeaderValue::from(user));
        users.push(headers);
    }
    let body = br#"{"user": "0192f0c1-5a7e-7cc2-b4f1-1f8a5c1d2e3f", "features": [1.5, 2.5, 3.5, 4.5]}"#;
    let id = b"0192f0c1-5a7e-7cc2-b4f1-1f8a5c1d2e3f";
    let ask = |registry: &Registry, at: usize, body: Body<'_>| {
        let asker = Asker { headers: &users[at % users.len()], id, body };
        routed(choose(&registry.catalog(), names, &asker).expect("it serves"))
    };
    let json = Body::Json { bytes: body, max_depth: 64 };
    type Run<'a> = Box<dyn Fn(usize) + 'a>;
    let runs: [(&str, Run<'_>); 5] = [
        ("no plan", Box::new(|_| drop(choose_without_plan(&plain.catalog(), names)))),
        ("split", Box::new(|at| drop(ask(&plain, at, Body::Unread)))),
        ("split, sticky by header", Box::new(|at| drop(ask(&by_header, at, Body::Unread)))),
        ("split, sticky by body", Box::new(|at| drop(ask(&by_body, at, json)))),
        (
            "split, sticky by header, and counted",
            Box::new(|at| ask(&by_header, at, Body::Unread).ended(200, Duration::from_micros(100))),
        ),
    ];
    let mut group = criterion.benchmark_group("routing");
    for (name, run) in &runs {
        (0..2000).for_each(run);
        let before = ALLOCATIONS.load(Relaxed);
        (0..10_000).for_each(run);
        // The registry's own thread looks at the files meanwhile.
        let asked = (ALLOCATIONS.load(Relaxed) - before) as f64 / 10_000.0;
        println!("{name}: {asked:.3} allocations per request");
        let mut at = 0;
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                at += 1;
                run(at);
            });
        });
    }
}

criterion_group!(benches, overhead);
criterion_main!(benches);
