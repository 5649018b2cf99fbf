//! The whole server with a GPU that is there, that is not, that is too old, too small, and that breaks
//! or hangs under load: no request is lost, and after a loss the driver is never called again.
//!
//! The GPU is `tests/cuda`'s, found by the binary as a real one would be.

mod common;

use common::client::{Client, Request};
use common::garden::{Garden, until};
use common::process::Process;
use common::{cuda, good, json, text};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

/// Models whose batches all go to the GPU, and the files by which it is told what to do.
struct Ground {
    garden: Garden,
    folder: &'static Path,
    control: PathBuf,
    log: PathBuf,
}

impl Ground {
    fn new(models: &[&str]) -> Option<Self> {
        let folder = cuda::folder()?;
        let garden = Garden::new();
        for model in models {
            garden.plant(&format!("{model}/1"), &format!("models/{model}/1"));
            garden.write(&format!("models/{model}/model.toml"), b"[device]\ngpu = \"always\"\n");
        }
        let (control, log) = (garden.path("control"), garden.path("calls"));
        fs::write(&log, "").expect("written");
        Some(Self { garden, folder, control, log })
    }

    fn environment(&self, settings: &str, stub: bool) -> Vec<(&'static str, OsString)> {
        let library = if stub { self.folder.join("stub") } else { self.folder.to_owned() };
        let settings = format!("log={},{settings}", self.log.display());
        vec![
            ("LD_LIBRARY_PATH", library.into()),
            ("TIDEGATE_FAKE_CUDA", settings.into()),
            ("TIDEGATE_FAKE_CUDA_CONTROL", self.control.clone().into()),
        ]
    }

    fn start(&self, settings: &str, more: &[&str]) -> Process {
        self.start_from(settings, more, false)
    }

    fn start_from(&self, settings: &str, more: &[&str], stub: bool) -> Process {
        let environment = self.environment(settings, stub);
        let environment: Vec<(&str, &OsStr)> =
            environment.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
        let state = self.garden.path("state");
        let state = state.to_str().expect("a plain path");
        Process::start_with(&self.garden.path("models"), &[&["--state", state], more].concat(), &environment)
    }

    /// Starts a server that is not to come up.
    fn refused(&self, settings: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("serve")
            .arg(self.garden.path("models"))
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(more)
            .envs(self.environment(settings, false))
            .output()
            .expect("the binary runs")
    }

    /// Tells the GPU what to do from now on.
    fn tell(&self, words: &str) {
        let aside = self.garden.path("control.tmp");
        fs::write(&aside, words).expect("written");
        fs::rename(aside, &self.control).expect("renamed");
    }

    /// What the GPU wrote down.
    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }
}

const PATIENTS: &str = "/v2/models/breast-cancer/infer";

/// Rows of the bundled cases, and the labels that they have.
fn patients(rows: usize) -> (Vec<u8>, Vec<Value>) {
    let bundled = common::golden::version("breast-cancer", "1");
    let case = &bundled.cases[0];
    let (all, labels) = (&case.inputs["input"], case.outputs["label"].as_array().expect("labels"));
    let own = all.as_array().expect("rows").len();
    let data: Vec<Value> = (0..rows).map(|row| all[row % own].clone()).collect();
    let input = json!({"name": "input", "shape": [rows, 30], "datatype": "FP32", "data": data});
    let wanted = (0..rows).map(|row| labels[row % own].clone()).collect();
    (json!({"inputs": [input]}).to_string().into_bytes(), wanted)
}

fn labels(reply: &Value) -> &Vec<Value> {
    let outputs = reply["outputs"].as_array().expect("outputs");
    let label = outputs.iter().find(|output| output["name"] == "label").expect("labels");
    label["data"].as_array().expect("a list")
}

fn ask(address: SocketAddr, path: &str, body: &[u8]) -> Value {
    good(path, &Client::connect(address).ask(&Request::post(path, body.to_vec())))
}

fn get(address: SocketAddr, path: &str) -> Value {
    good(path, &Client::connect(address).ask(&Request::get(path)))
}

/// A metric's value.
fn metric(process: &Process, series: &str) -> f64 {
    let reply = Client::connect(process.admin).ask(&Request::get("/metrics"));
    let page = String::from_utf8(reply.body).expect("text");
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).trim().parse().expect("a number")
}

fn status(process: &Process) -> &'static str {
    let names = ["off", "absent", "driver_too_old", "unsupported", "ready", "lost"];
    let gpu = |name: &str| {
        let reply = Client::connect(process.admin).ask(&Request::get("/metrics"));
        let page = String::from_utf8(reply.body).expect("text");
        let end = format!("status=\"{name}\"}} 1");
        page.lines().any(|line| line.starts_with("tidegate_gpu_status{") && line.ends_with(&end))
    };
    names.into_iter().find(|name| gpu(name)).expect("one of them holds")
}

/// The first version of a model, as the index shows it.
fn shown(process: &Process, model: &str) -> Value {
    get(process.admin, &format!("/api/models/{model}"))["versions"][0].clone()
}

#[test]
fn a_gpu_computes_and_says_so_everywhere() {
    let Some(ground) = Ground::new(&["breast-cancer", "diabetes"]) else { return };
    let process = ground.start("name=Shim,memory=4000000000", &[]);
    assert_eq!(status(&process), "ready");
    for rows in [1, 3, 200] {
        let (body, wanted) = patients(rows);
        assert_eq!(labels(&ask(process.data, PATIENTS, &body)), &wanted);
    }
    assert!(metric(&process, "tidegate_gpu_batches_total{gpu=\"cuda:0\",result=\"computed\"}") >= 3.0);
    assert!(metric(&process, "tidegate_gpu_rows_total{gpu=\"cuda:0\"}") >= 204.0);
    assert!(metric(&process, "tidegate_gpu_memory_bytes{gpu=\"cuda:0\",what=\"held\"}") > 0.0);
    assert_eq!(text(&shown(&process, "breast-cancer"), "/device"), "cuda:0");
    let full = get(process.admin, "/api/models/breast-cancer");
    let costs = full["serving"]["device"]["costs"].as_array().expect("a table");
    assert!(costs.len() > 3 && costs.iter().all(|row| row["device_ns"].as_u64() > Some(0)), "{costs:?}");
    assert_eq!(text(&get(process.data, "/v2/models/breast-cancer"), "/device"), "cuda:0");
    let config = get(process.data, "/v2/models/breast-cancer/config");
    assert_eq!(text(&config, "/instance_group/0/kind"), "KIND_GPU");
}

#[test]
fn a_gpu_that_no_image_is_for_gets_what_its_driver_compiles() {
    let Some(ground) = Ground::new(&["breast-cancer"]) else { return };
    let process = ground.start("memory=4000000000,capability=8.7,once=cuModuleLoadData:0:209", &[]);
    let (body, wanted) = patients(20);
    assert_eq!(labels(&ask(process.data, PATIENTS, &body)), &wanted);
    assert_eq!((status(&process), text(&shown(&process, "breast-cancer"), "/device")), ("ready", "cuda:0"));
}

#[test]
fn the_driver_is_left_alone_while_the_process_ends() {
    let Some(ground) = Ground::new(&["breast-cancer", "diabetes"]) else { return };
    for _ in 0..3 {
        let process = ground.start("memory=4000000000", &[]);
        assert_eq!(status(&process), "ready");
        process.signal(rustix::process::Signal::TERM);
        assert!(process.wait().success(), "the driver ends the process that calls it then");
    }
    assert!(!ground.log().contains("lost"));
}

#[test]
fn without_a_gpu_the_cpu_computes_and_the_reason_is_told() {
    let Some(ground) = Ground::new(&["breast-cancer"]) else { return };
    let (body, wanted) = patients(3);
    for (settings, stub, name, words) in [
        ("devices=0", false, "absent", "finds"),
        ("init=100", false, "absent", "NO_DEVICE"),
        ("driver=11080", false, "driver_too_old", "525"),
        ("init=34", false, "driver_too_old", "stub"),
        ("", true, "driver_too_old", "stub"),
        ("capability=7.0", false, "unsupported", "7.5"),
        ("init=999", false, "unsupported", "999"),
        ("once=cuModuleLoadData:0:209,once=cuModuleLoadData:0:222", false, "unsupported", "222"),
        ("once=cuDevicePrimaryCtxRetain:0:2", false, "unsupported", "OUT_OF_MEMORY"),
    ] {
        let process = ground.start_from(settings, &["--device", "cuda"], stub);
        assert_eq!(labels(&ask(process.data, PATIENTS, &body)), &wanted, "{settings}");
        assert_eq!(status(&process), name, "{settings}");
        let shown = shown(&process, "breast-cancer");
        assert_eq!(text(&shown, "/device"), "cpu", "{settings}");
        assert!(text(&shown, "/device_reason").contains(words), "{settings}: {shown}");
        let ready = get(process.data, "/readyz");
        assert_eq!((&ready["ready"], &ready["degraded"]), (&json!(true), &json!(false)), "{settings}");
    }
}

#[test]
fn a_gpu_that_is_required_is_missed_at_the_start() {
    let Some(ground) = Ground::new(&["breast-cancer"]) else { return };
    let refused = ground.refused("devices=0", &["--gpu", "required"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("--gpu required, but there is none to be used"), "{words}");
    // A model that requires it is refused by itself; others serve.
    ground.garden.plant("diabetes/1", "models/diabetes/1");
    ground.garden.write("models/breast-cancer/model.toml", b"[device]\ngpu = \"required\"\n");
    let process = ground.start("devices=0", &[]);
    let shown = shown(&process, "breast-cancer");
    assert_eq!(text(&shown, "/state"), "failed");
    assert!(
        text(&shown, "/reason").contains("device.gpu = \"required\", but: the CUDA driver finds no GPU"),
        "{shown}"
    );
}

#[test]
fn a_model_that_does_not_fit_stays_on_the_cpu_and_leaves_the_gpu_to_others() {
    let Some(ground) = Ground::new(&["breast-cancer", "diabetes"]) else { return };
    let (body, wanted) = patients(5);
    // Room for one of them beside what is left free; and a driver that has none at the moment of need.
    let (first, second) = ("memory=146000000", "memory=4000000000,once=cuMemHostAlloc:1:2");
    for settings in [first, second] {
        let process = ground.start(settings, &[]);
        let devices: Vec<Value> = ["breast-cancer", "diabetes"].iter().map(|model| shown(&process, model)).collect();
        let on_cpu: Vec<&Value> = devices.iter().filter(|shown| shown["device"] == "cpu").collect();
        let [one] = on_cpu[..] else { panic!("{settings}: {devices:?}") };
        let reason = text(one, "/device_reason");
        assert!(reason.contains("memory") || reason.contains("OUT_OF_MEMORY"), "{settings}: {reason}");
        assert_eq!(status(&process), "ready");
        assert_eq!(labels(&ask(process.data, PATIENTS, &body)), &wanted);
        drop(process);
        assert!(!ground.log().contains("lost"), "{settings}");
    }
}

#[test]
fn memory_comes_back_when_a_model_leaves() {
    let Some(ground) = Ground::new(&["breast-cancer"]) else { return };
    let process = ground.start("memory=4000000000", &[]);
    let held = || metric(&process, "tidegate_gpu_memory_bytes{gpu=\"cuda:0\",what=\"held\"}");
    let before = held();
    for round in 0..5 {
        for (verb, wanted) in [("unload", 0.0), ("load", before)] {
            let path = format!("/api/models/breast-cancer/{verb}");
            ask(process.admin, &path, b"{}");
            until(&format!("round {round}, {verb}"), || (held() == wanted).then_some(()));
        }
    }
    assert!(!ground.log().contains("lost"));
}

/// Asks steadily until told to stop; every answer must be right. Answers how many there were.
fn steadily(address: SocketAddr, over: &AtomicBool, asked: &AtomicU64) -> u64 {
    let mut client = Client::connect(address);
    let sizes: Vec<(Vec<u8>, Vec<Value>)> = [1, 20, 120].into_iter().map(patients).collect();
    let mut answered = 0;
    while !over.load(SeqCst) {
        let (body, wanted) = &sizes[answered as usize % sizes.len()];
        // What the emulated device takes on a busy machine is no reason to refuse anybody.
        let reply = client.ask(&Request::post(PATIENTS, body.clone()).with("x-timeout-ms", "60000"));
        assert_eq!(labels(&good("a request beside the loss", &reply)), wanted);
        answered += 1;
        asked.fetch_add(1, SeqCst);
    }
    answered
}

/// Breaks the GPU under load in one way: every request is answered rightly, the server says that it is
/// degraded, and leaves the driver alone.
fn break_under_load(words: &str, reason: &str) {
    let Some(ground) = Ground::new(&["breast-cancer"]) else { return };
    let process = ground.start("memory=4000000000", &["--gpu-watchdog", "400ms"]);
    let (over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    let address = process.data;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| steadily(address, &over, &asked))).collect();
        let more = |count: u64| {
            let from = asked.load(SeqCst);
            until("more answers", || {
                (asked.load(SeqCst) >= from + count || clients.iter().any(|c| c.is_finished())).then_some(())
            });
        };
        more(20);
        assert_eq!(status(&process), "ready", "{words}");
        ground.tell(words);
        until("the loss", || (status(&process) == "lost").then_some(()));
        more(40);
        over.store(true, SeqCst);
        clients.into_iter().for_each(|client| assert!(client.join().expect("no request failed") > 0));
    });
    assert!(metric(&process, "tidegate_gpu_batches_total{gpu=\"cuda:0\",result=\"rescued\"}") >= 1.0, "{words}");
    let ready = get(process.data, "/readyz");
    assert_eq!((&ready["ready"], &ready["degraded"]), (&json!(true), &json!(true)), "{words}");
    // A model that comes later stays on the CPU and says why.
    ground.garden.plant("diabetes/1", "models/diabetes/1");
    let late = until("the new model", || {
        let reply = Client::connect(process.admin).ask(&Request::get("/api/models/diabetes"));
        (reply.status == 200).then(|| json("late", &reply)).filter(|shown| shown["versions"][0]["state"] == "ready")
    });
    let why = text(&late, "/versions/0/device_reason").to_owned();
    assert!(why.contains("lost") && why.contains(reason), "{words}: {why}");
    process.signal(rustix::process::Signal::TERM);
    assert!(process.wait().success(), "{words}");
    let log = ground.log();
    // A kernel that fails is heard of by the next call.
    let news = usize::from(words.starts_with("fault"));
    assert_eq!(log.matches("after ").count(), news, "{words}: the driver was called again:\n{log}");
}

#[test]
fn a_launch_that_fails_loses_the_gpu_and_no_request() {
    break_under_load("fail=cuGraphLaunch:5:719", "719");
}

#[test]
fn an_illegal_address_in_a_kernel_loses_the_gpu_and_no_request() {
    break_under_load("fault=finish:4:700", "700");
}

#[test]
fn a_query_that_fails_loses_the_gpu_and_no_request() {
    break_under_load("fail=cuEventQuery:9:214", "214");
}

#[test]
fn a_gpu_that_hangs_is_given_up_and_no_request_is_lost() {
    break_under_load("hang=1", "longer than");
}

#[test]
fn a_loss_ends_the_process_where_that_was_asked_for() {
    let Some(ground) = Ground::new(&["breast-cancer"]) else { return };
    let process = ground.start("memory=4000000000", &["--gpu-lost", "exit"]);
    let (body, wanted) = patients(8);
    ground.tell("fail=cuGraphLaunch:0:719");
    assert_eq!(labels(&ask(process.data, PATIENTS, &body)), &wanted, "the request is answered first");
    let ended = process.wait();
    assert_eq!(ended.code(), Some(1));
}

#[test]
fn a_driver_that_breaks_while_a_model_is_placed_leaves_the_model_on_the_cpu() {
    let (body, wanted) = patients(8);
    for words in ["fail=cuStreamEndCapture:2:719", "fail=cuMemcpyHtoD_v2:1:700", "once=cuGraphInstantiateWithFlags:1:2"]
    {
        let Some(ground) = Ground::new(&["breast-cancer"]) else { return };
        let process = ground.start(&format!("memory=4000000000,{words}"), &[]);
        assert_eq!(labels(&ask(process.data, PATIENTS, &body)), &wanted, "{words}");
        assert_eq!(text(&shown(&process, "breast-cancer"), "/device"), "cpu", "{words}");
        let wanted = if words.starts_with("fail") { "lost" } else { "ready" };
        assert_eq!(status(&process), wanted, "{words}");
        drop(process);
        assert!(!ground.log().contains("after "), "{words}: {}", ground.log());
    }
}
