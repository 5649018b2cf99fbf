//! From a wish to a GPU with its thread.

use super::driver::{Context, CudaError, Gate, Report, probe};
use super::health::Health;
use super::images::{ImageError, Kernels, has_matrix_units};
use super::measure::{Measured, Sides, measure};
use super::model::{Either, Parts, Remote, Rule};
use super::resident::Order;
use super::thread::{Command, Thread};
use crate::engine::Prepared;
use crate::engine::device::{
    Accelerator, Counts, Device, Precision, Readings, Row, Settings, Status, Taken, Where, Wish, Work,
};
use crate::engine::lowered::{Body, Lowered, Raw, Rows};
use crate::tensor::Tensor;
use crossbeam::channel::{Sender, bounded};
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
/// How long a model may take to be placed before the GPU is given up.
const PLACING: Duration = Duration::from_secs(60);

/// Looks for a GPU. Whatever goes wrong ends as a status.
pub fn open(settings: &Settings) -> Device {
    let gate = Gate::default();
    let found = catch_unwind(|| probe(&gate)).unwrap_or(Err(CudaError::Missing("function")));
    let status = match found {
        Ok(Some((version, reports))) => match pick(version, reports, settings.wish) {
            Ok(report) => match start(report, &gate, settings) {
                Ok(gpu) => return Device::Some(Arc::new(gpu)),
                Err(status) => status,
            },
            Err(status) => status,
        },
        Ok(None) => Status::Absent("no CUDA driver is installed (libcuda.so.1 was not found)".into()),
        Err(error) => refused(&error),
    };
    Device::None(status)
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

/// Starts the thread, which makes the context and loads the kernels.
fn start(report: Report, gate: &Gate, settings: &Settings) -> Result<Gpu, Status> {
    let health = Arc::new(Health::new(report.clone(), gate.clone()));
    let (commands, receiver) = bounded(COMMANDS);
    let (reply, opened) = bounded(1);
    let (gate, own) = (gate.clone(), health.clone());
    let run = move || {
        let loaded = || -> Result<_, ImageError> {
            let context = Context::open(&gate, report.ordinal)?;
            let kernels = Kernels::load(&context, &report)?;
            Ok((context, kernels))
        };
        match loaded() {
            Ok((context, kernels)) => {
                let _ = reply.send(Ok(()));
                Thread { context, kernels, report, health: own, commands: receiver }.run();
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    };
    let spawned = std::thread::Builder::new().name(format!("cuda-{}", health.report.ordinal)).spawn(run);
    spawned.map_err(|error| Status::Unsupported(format!("its thread could not be started: {error}")))?;
    match opened.recv_timeout(PLACING) {
        Ok(Ok(())) => Ok(Gpu { commands, health, next: AtomicU64::new(0), settings: *settings }),
        Ok(Err(ImageError::Driver(error))) => Err(refused(&error)),
        Ok(Err(error)) => Err(Status::Unsupported(error.to_string())),
        Err(_) => Err(Status::Lost(format!("the GPU did not answer within {PLACING:?}"))),
    }
}

struct Gpu {
    commands: Sender<Command>,
    health: Arc<Health>,
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
            _ if has_matrix_units((major, minor)) => Ok(()),
            _ => Err(format!(
                "compute capability {major}.{minor} has no matrix units for {name}, or no image that uses them"
            )),
        }
    }

    fn id(&self) -> String {
        format!("cuda:{}", self.health.report.ordinal)
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

    fn place(&self, model: &Arc<dyn Prepared>, lowered: Lowered, work: Work<'_>) -> Result<Taken, String> {
        if let Some(reason) = self.health.lost() {
            return Err(format!("the GPU is lost: {reason}"));
        }
        self.check_precision(&lowered, work.precision)?;
        let (ends, width, labels) = (lowered.ends.clone(), lowered.body.width(), lowered.body.has_labels());
        let (what, network) = (lowered.body.describe(), matches!(lowered.body, Body::Network(_)));
        let sample_rows = raw_rows(&lowered, work.sample)?;
        let id = self.next.fetch_add(1, Relaxed);
        let (reply, placed) = bounded(1);
        let order = Box::new(Order {
            lowered,
            sample: sample_rows,
            most_rows: self.settings.most_rows,
            precision: work.precision,
        });
        let sent = self.commands.send(Command::Place { id, order, reply });
        sent.map_err(|_| "the GPU's thread has ended".to_owned())?;
        let placed = match placed.recv_timeout(PLACING) {
            Ok(placed) => placed.map_err(|error| error.to_string())?,
            Err(_) => {
                let reason = format!("a model was not placed within {PLACING:?}");
                self.health.lose(&reason);
                return Err(reason);
            }
        };
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
