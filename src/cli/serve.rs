//! `tidegate serve`.

use super::{FAILURE, USAGE, log, usage};
use crate::app::{App, Stopped};
use crate::engine::device::{Device, OnLoss, Status};
use crate::json::{NonFinite, write_element};
use crate::registry::{ModelStatus, Registry, Slot, State, Version};
use clap::ArgMatches;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

pub fn run(arguments: &ArgMatches) -> ExitCode {
    let config = match usage::sources(arguments).read() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("tidegate: the configuration has mistakes:\n{error}");
            return ExitCode::from(USAGE);
        }
    };
    log::start(config.log_format, &config.log);
    let default_model = config.front.default_model.clone();
    let on_loss = config.registry.device.on_loss;
    let running = match App::bind(config).and_then(App::start) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("tidegate: {error}");
            return ExitCode::from(FAILURE);
        }
    };
    // Registered before anyone is told that the server is up.
    let signals = running.block_on(async { Signals::new() });
    let Ok(signals) = signals else {
        eprintln!("tidegate: signals cannot be caught");
        return ExitCode::from(FAILURE);
    };
    let greeting = Greeting {
        registry: running.registry().clone(),
        threads: running.threads(),
        address: running.address(),
        admin_address: running.admin_address(),
        default_model,
    };
    // Loading may take long; a signal is heard all the same.
    let greeter = std::thread::spawn(move || greeting.say());
    let gpu = running.registry().device().clone();
    let end = running.block_on(signals.first(running.drain_delay(), lost(gpu, on_loss)));
    let stopped = running.stop(end.delay());
    let _ = greeter.join();
    match (end, stopped) {
        (End::Asked(_), Stopped::Clean) => ExitCode::SUCCESS,
        (End::GpuLost, _) | (_, Stopped::Late) => ExitCode::from(FAILURE),
    }
}

/// Why the server stops.
#[derive(Clone, Copy)]
enum End {
    /// By a signal; how long to serve on.
    Asked(Duration),
    GpuLost,
}

impl End {
    fn delay(self) -> Duration {
        match self {
            Self::Asked(delay) => delay,
            Self::GpuLost => Duration::ZERO,
        }
    }
}

/// How often the GPU is looked at.
const GPU_LOOK: Duration = Duration::from_millis(250);

/// Ends when the GPU is lost and that is to end the process.
async fn lost(device: Device, on_loss: OnLoss) {
    if on_loss == OnLoss::Degrade {
        return std::future::pending().await;
    }
    let mut looks = tokio::time::interval(GPU_LOOK);
    while !matches!(device.status(), Status::Lost(_)) {
        looks.tick().await;
    }
    tracing::error!("the GPU is lost, and --gpu-lost exit says to stop");
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first signal, or for the GPU's loss, and answers how long to serve on: someone at a
    /// keyboard does not wait. A second signal ends the process at once.
    async fn first(mut self, drain_delay: Duration, lost: impl Future<Output = ()>) -> End {
        let end = tokio::select! {
            _ = self.terminate.recv() => End::Asked(drain_delay),
            _ = self.interrupt.recv() => End::Asked(Duration::ZERO),
            () = lost => End::GpuLost,
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            eprintln!("tidegate: second signal: stopping without finishing");
            std::process::exit(i32::from(FAILURE));
        });
        end
    }
}

/// The table of models, and one line to try, said once everything found at start has been tried.
struct Greeting {
    registry: Arc<Registry>,
    threads: String,
    address: SocketAddr,
    admin_address: SocketAddr,
    default_model: Option<String>,
}

impl Greeting {
    fn say(&self) {
        self.registry.wait_until_tried();
        let catalog = self.registry.catalog();
        let slots = catalog.sorted();
        let mut text = overview(&slots);
        text.push_str(&format!("\nlistening on http://{}, admin on http://{}", self.address, self.admin_address));
        match &self.registry.readiness().reason {
            None => text.push_str("; ready\n"),
            Some(reason) => text.push_str(&format!("; not ready: {reason}\n")),
        }
        text.push_str(&format!("threads: {}\n", self.threads));
        if let Some(version) = example(&slots, self.default_model.as_deref()) {
            text.push_str(&format!("\ntry:\n{}\n", curl(self.address, &version)));
        }
        if slots.is_empty() {
            text.push_str("\nno models were found: put MODEL.onnx or MODEL/1/model.onnx (or .json, .ubj, .txt) into the directory\n");
        }
        // Nobody may be reading; that is no reason to fail.
        let _ = std::io::stdout().write_all(text.as_bytes());
        let _ = std::io::stdout().flush();
    }
}

fn overview(slots: &[&Arc<Slot>]) -> String {
    let mut rows = vec![["MODEL", "VERSION", "ENGINE", "LOADED IN", "STATE", "REASON"].map(str::to_owned)];
    for slot in slots {
        let status: Arc<ModelStatus> = slot.status.load_full();
        for line in &status.versions {
            let loaded =
                if line.state == State::Ready { format!("{:.1} ms", line.load_seconds * 1e3) } else { "-".into() };
            let engine = if line.engine.is_empty() { "-".to_owned() } else { line.engine.clone() };
            let reason = line.reason.clone().unwrap_or_else(|| line.engine_reason.clone());
            rows.push([
                slot.name.to_string(),
                line.version.to_string(),
                engine,
                loaded,
                line.state.name().into(),
                reason,
            ]);
        }
        if let Some(problem) = &status.problem {
            rows.push([slot.name.to_string(), "-".into(), "-".into(), "-".into(), "failed".into(), problem.clone()]);
        }
    }
    super::table::table(&rows)
}

/// The version whose example is shown: of the default model, else of the one with the fewest columns.
fn example(slots: &[&Arc<Slot>], default_model: Option<&str>) -> Option<Arc<Version>> {
    let default = |slot: &&Arc<Slot>| slot.serving.load().default.clone();
    let named = slots.iter().find(|slot| Some(slot.name.as_str()) == default_model).and_then(default);
    let columns = |version: &Arc<Version>| version.features.names.len();
    let with_columns = || slots.iter().filter_map(default).filter(|version| columns(version) > 0).min_by_key(columns);
    named.or_else(with_columns).or_else(|| slots.iter().find_map(default))
}

/// A line that works when pasted.
fn curl(address: SocketAddr, version: &Version) -> String {
    let reach =
        if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address };
    let body = example_body(version);
    format!("curl -s http://{reach}/models/{}/predict -d '{}'", version.model, body.replace('\'', r"'\''"))
}

/// A row of the version's own sample as an object by column; pictures and the like as nested lists.
fn example_body(version: &Version) -> String {
    let mut out = b"{\"features\":".to_vec();
    if version.features.names.is_empty() {
        nested_row(&mut out, version);
    } else {
        record(&mut out, version);
    }
    out.push(b'}');
    String::from_utf8_lossy(&out).into_owned()
}

fn record(out: &mut Vec<u8>, version: &Version) {
    let columns =
        version.lane.trial().iter().flat_map(|tensor| (0..tensor.shape().row_elements()).map(move |at| (tensor, at)));
    for (place, (name, (tensor, at))) in version.features.names.iter().zip(columns).enumerate() {
        out.push(if place == 0 { b'{' } else { b',' });
        crate::json::write_str(out, name);
        out.push(b':');
        write_element(out, tensor.data(), at, NonFinite::Null);
    }
    out.push(b'}');
}

fn nested_row(out: &mut Vec<u8>, version: &Version) {
    match version.lane.trial() {
        [only] => crate::json::write_nested(out, only.data(), only.shape().row_dims(), 0, NonFinite::Null),
        several => {
            for (place, (spec, tensor)) in version.signature().inputs.iter().zip(several).enumerate() {
                out.push(if place == 0 { b'{' } else { b',' });
                crate::json::write_str(out, &spec.name);
                out.push(b':');
                crate::json::write_nested(out, tensor.data(), tensor.shape().row_dims(), 0, NonFinite::Null);
            }
            out.push(b'}');
        }
    }
}
