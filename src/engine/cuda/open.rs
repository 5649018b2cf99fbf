//! From a wish to a GPU with its thread.

use super::driver::{Context, CudaError, Gate, Report, probe};
use super::health::Health;
use super::images::{ImageError, Kernels};
use super::measure::{Measured, Sides, measure};
use super::model::{Either, Parts, Remote, Rule};
use super::resident::{Order, Placed};
use super::thread::{Command, Thread};
use crate::engine::Prepared;
use crate::engine::device::{
    Accelerator, Counts, Device, Precision, Readings, Row, Settings, Status, Taken, Where, Wish, Work,
};
use crate::engine::lowered::{Body, Lowered, Raw, Rows};
use crate::tensor::Tensor;
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// CUDA 12.0: the images are of toolkit 12, and run on every driver from there on.
const LEAST_DRIVER: u32 = 12_000;
/// What a toolkit's stub of the driver answers to everything.
const STUB: u32 = 34;
/// Commands that may wait: more than all slots of all models that a server has.
const COMMANDS: usize = 1024;
/// How long the driver may take to start before the CPU goes on alone.
const OPENING: Duration = Duration::from_secs(30);
/// How long a model may take to be placed before the GPU is given up.
const PLACING: Duration = Duration::from_secs(60);
/// How often those who wait for their turn to be placed look whether there still is a GPU.
const LOOK: Duration = Duration::from_millis(500);

/// Looks for a GPU. Whatever goes wrong ends as a status: all calls to the driver are made by a thread that
/// is waited for for a while only, as a sick one may never come back.
pub fn open(settings: &Settings) -> Device {
    let (commands, receiver) = bounded(COMMANDS);
    let (reply, opened) = bounded(1);
    let (gate, wish) = (Gate::default(), settings.wish);
    let own = gate.clone();
    let run = move || match found(&own, wish) {
        Ok(Found { context, kernels, report }) => {
            let health = Arc::new(Health::new(report.clone(), own));
            let _ = reply.send(Ok((health.clone(), kernels.have_matrix_units())));
            Thread { context, kernels, report, health, commands: receiver }.run();
        }
        Err(status) => {
            let _ = reply.send(Err(status));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("cuda".into()).spawn(run) {
        return Device::None(Status::Unsupported(format!("its thread could not be started: {error}")));
    }
    match opened.recv_timeout(OPENING) {
        Ok(Ok((health, matrix_units))) => {
            Device::Some(Arc::new(Gpu { commands, health, matrix_units, next: AtomicU64::new(0), settings: *settings }))
        }
        Ok(Err(status)) => Device::None(status),
        Err(RecvTimeoutError::Disconnected) => Device::None(Status::Unsupported("its thread gave up".into())),
        Err(RecvTimeoutError::Timeout) => {
            gate.shut();
            Device::None(Status::Lost(format!("the CUDA driver did not answer within {OPENING:?}")))
        }
    }
}

/// A GPU whose context is current on this thread.
struct Found {
    context: Context,
    kernels: Kernels,
    report: Report,
}

fn found(gate: &Gate, wish: Wish) -> Result<Found, Status> {
    let probed = catch_unwind(|| probe(gate)).unwrap_or(Err(CudaError::Missing("function")));
    let Some((version, reports)) = probed.map_err(|error| refused(&error))? else {
        return Err(Status::Absent("no CUDA driver is installed (libcuda.so.1 was not found)".into()));
    };
    let report = pick(version, reports, wish)?;
    let loaded = Context::open(gate, report.ordinal).map_err(ImageError::from).and_then(|context| {
        let kernels = Kernels::load(&context, &report)?;
        Ok((context, kernels))
    });
    match loaded {
        Ok((context, kernels)) => Ok(Found { context, kernels, report }),
        Err(ImageError::Driver(error)) => Err(refused(&error)),
        Err(error) => Err(Status::Unsupported(error.to_string())),
    }
}

fn refused(error: &CudaError) -> Status {
    match error.code() {
        Some(100 | 101) => Status::Absent(format!("the CUDA driver finds no GPU: {error}")),
        Some(STUB) => Status::DriverTooOld(
            "the libcuda.so.1 that was found is a toolkit's stub and no driver: take its folder out of the library path".into(),
        ),
        Some(35 | 803 | 804) | None => Status::DriverTooOld(error.to_string()),
        _ => Status::Unsupported(error.to_string()),
    }
}

fn pick(version: u32, mut reports: Vec<Report>, wish: Wish) -> Result<Report, Status> {
    let shown = |version: u32| format!("{}.{}", version / 1000, version % 1000 / 10);
    if version < LEAST_DRIVER {
        return Err(Status::DriverTooOld(format!(
            "the driver is for CUDA {}, expected {} or later: install a driver of version 525 or later",
            shown(version),
            shown(LEAST_DRIVER)
        )));
    }
    let ordinal = if let Wish::Cuda(Some(ordinal)) = wish { ordinal } else { 0 };
    match ordinal < reports.len() {
        true => Ok(reports.swap_remove(ordinal)),
        false => {
            Err(Status::Absent(format!("cuda:{ordinal} was asked for, but the driver finds {} GPUs", reports.len())))
        }
    }
}

struct Gpu {
    commands: Sender<Command>,
    health: Arc<Health>,
    /// The kernels for TF32 and BF16 are there.
    matrix_units: bool,
    next: AtomicU64,
    settings: Settings,
}

impl Gpu {
    /// Trees have one precision, and not every device has the others.
    fn check_precision(&self, lowered: &Lowered, precision: Precision) -> Result<(), String> {
        let name = precision.name();
        let (major, minor) = self.health.report.capability;
        match (precision, &lowered.body) {
            (Precision::Fp32, _) => Ok(()),
            (_, Body::Forest(_)) => {
                Err(format!("device.precision = \"{name}\" is for networks; trees are exact always"))
            }
            _ if self.matrix_units => Ok(()),
            _ => Err(format!(
                "compute capability {major}.{minor} has no matrix units for {name}, or no image that uses them"
            )),
        }
    }

    fn id(&self) -> String {
        format!("cuda:{}", self.health.report.ordinal)
    }

    /// Has the thread place a model.
    fn placed(&self, id: u64, order: Order) -> Result<Placed, String> {
        let ((begun, begins), (reply, placed)) = (bounded(1), bounded(1));
        let sent = self.commands.send(Command::Place { id, order: Box::new(order), begun, reply });
        sent.map_err(|_| "the GPU's thread has ended".to_owned())?;
        // Others may be placed first: its own time begins with its turn.
        while let Err(RecvTimeoutError::Timeout) = begins.recv_timeout(LOOK) {
            if let Some(reason) = self.health.lost() {
                return Err(format!("the GPU is lost: {reason}"));
            }
        }
        // Whoever expects batches to be slow expects this to be slow as well.
        let patience = PLACING.max(self.settings.watchdog.saturating_mul(10));
        placed.recv_timeout(patience).map_or_else(
            |_| {
                let reason = format!("a model was not placed within {patience:?}");
                self.health.lose(&reason);
                Err(reason)
            },
            |placed| placed.map_err(|error| error.to_string()),
        )
    }
}

impl Accelerator for Gpu {
    fn status(&self) -> Status {
        self.health.lost().map_or(Status::Ready, Status::Lost)
    }

    fn readings(&self) -> Readings {
        let health = &self.health;
        let Report { name, capability: (major, minor), memory_bytes, .. } = &health.report;
        Readings {
            id: self.id(),
            name: name.clone(),
            capability: format!("{major}.{minor}"),
            memory_bytes: *memory_bytes,
            held_bytes: health.held_bytes.load(Relaxed),
            counts: Counts {
                batches: health.batches.load(Relaxed),
                rows: health.rows.load(Relaxed),
                rescued: health.rescued.load(Relaxed),
                turned_away: health.turned_away.load(Relaxed),
            },
        }
    }

    fn close(&self) {
        self.health.close();
    }

    fn place(&self, model: &Arc<dyn Prepared>, lowered: Lowered, work: Work<'_>) -> Result<Taken, String> {
        if let Some(reason) = self.health.lost() {
            return Err(format!("the GPU is lost: {reason}"));
        }
        self.check_precision(&lowered, work.precision)?;
        let (ends, width, labels) = (lowered.ends.clone(), lowered.body.width(), lowered.body.has_labels());
        let (what, network) = (lowered.body.describe(), matches!(lowered.body, Body::Network(_)));
        let sample_rows = raw_rows(&lowered, work.sample)?;
        let id = self.next.fetch_add(1, Relaxed);
        let (most_rows, precision) = (self.settings.most_rows, work.precision);
        let placed = self.placed(id, Order { lowered, sample: sample_rows, most_rows, precision })?;
        let (commands, health, watchdog) = (self.commands.clone(), self.health.clone(), self.settings.watchdog);
        let (bytes, ways, capacities) = (placed.bytes, placed.ways.clone(), placed.capacities.clone());
        let parts = Parts { id, commands, health, ends, width, labels, watchdog };
        let remote = Arc::new(Remote::new(parts, placed));
        let either = |rule, lines| Either { cpu: model.clone(), remote: remote.clone(), rule, lines };
        let alone: Arc<dyn Prepared> = Arc::new(either(Rule::Alone, Vec::new()));
        let Measured { costs, lines } = measure(
            Sides { cpu: model.as_ref(), device: alone.as_ref(), remote: &remote, network },
            work,
            &capacities,
        )?;
        let row = |cost: &super::cost::Cost| Row {
            rows: cost.rows,
            cpu: cost.cpu,
            device: cost.device,
            device_busy: cost.device_busy,
        };
        let table = costs.table().iter().map(row).collect();
        remote.set_costs(costs);
        let head =
            format!("on {} too ({}): {what}, {}", self.id(), self.health.report.name, super::measure::ways(&ways));
        let lines = [head].into_iter().chain(lines).collect();
        Ok(Taken {
            model: Arc::new(either(if work.always { Rule::Always } else { Rule::Cheaper }, lines)),
            alone,
            at: Where::Both { device: self.id(), bytes, table },
        })
    }
}

/// Rows of the sample as the device takes them.
fn raw_rows(lowered: &Lowered, sample: &[Tensor]) -> Result<Vec<u8>, String> {
    let rows = sample.first().map_or(0, Tensor::rows);
    let elements = rows * lowered.raw.width();
    let (mut singles, mut doubles) = (Vec::new(), Vec::new());
    let mut room = match lowered.raw {
        Raw::F32(_) => {
            singles.resize(elements, 0.0f32);
            Rows::F32(&mut singles)
        }
        Raw::F64(_) => {
            doubles.resize(elements, 0.0f64);
            Rows::F64(&mut doubles)
        }
    };
    lowered.ends.write(sample, &mut room).map_err(|error| error.to_string())?;
    Ok([bytemuck::cast_slice::<f32, u8>(&singles), bytemuck::cast_slice::<f64, u8>(&doubles)].concat())
}
