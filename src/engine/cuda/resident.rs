//! A model on the device: its tables, and slots whose work is recorded.

use super::driver::{Context, CudaError, DeviceMemory, Event, Graph, Pinned, Report, Stream};
use super::images::Kernels;
use super::recipe::{self, Places, Way};
use super::slot::{HEADER, Slot};
use super::tables::{Tables, number};
use crate::engine::cuda::cost::SIZES;
use crate::engine::device::Precision;
use crate::engine::lowered::{Body, Lowered};
use bytesize::ByteSize;
use crossbeam::channel::{Sender, bounded};
use std::time::{Duration, Instant};

/// Batches of a model that may be on their way at once.
const SLOTS: usize = 3;
/// Device memory that a slot may take; its rows are fewer where they would take more.
const SLOT_BYTES: usize = 64 << 20;
/// Memory that is left free on the device for others.
const RESERVE: usize = 128 << 20;
/// Trials of which the fastest measures a way of computing, and launches of each.
const TRIALS: (usize, u8) = (3, 4);
/// The same for what takes longer than a launch could make a difference to.
const LONG_TRIALS: (usize, u8) = (2, 1);
const LONG: Duration = Duration::from_millis(2);
/// How long the device is kept at work before the first one.
const WARM_UP: Duration = Duration::from_millis(30);

/// Why a model is not on the device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("it needs {} of the device's memory, which has {} free for it", ByteSize(*.needed), ByteSize(*.free))]
    TooLarge { needed: u64, free: u64 },
    #[error("its rows or trees are too many for the kernels' numbers")]
    TooMany,
    #[error("the device is lost: {0}")]
    Lost(String),
    #[error("{0}")]
    Driver(#[from] CudaError),
}

/// A model on the device, on the device's thread.
pub struct Resident {
    slots: Vec<DeviceSlot>,
    /// What the slots' graphs name.
    tables: Tables,
}

/// The device's half of a slot.
struct DeviceSlot {
    /// For each size of [`Placed::capacities`].
    graphs: Vec<Graph>,
    memory: SlotMemory,
    stream: Stream,
    done: Event,
    answer: Sender<Result<(), String>>,
}

/// What the host gets of a model that was placed.
pub struct Placed {
    pub slots: Vec<Slot>,
    /// Rows that batches are recorded for, in ascending order.
    pub capacities: Vec<usize>,
    /// By the device's clock, for each of them.
    pub busy: Vec<Duration>,
    pub ways: Vec<Way>,
    pub bytes: usize,
}

struct SlotMemory {
    input: DeviceMemory,
    rows: DeviceMemory,
    scratch: DeviceMemory,
    margins: DeviceMemory,
    output: DeviceMemory,
}

/// Sizes in bytes of a slot for so many rows.
struct SlotSizes {
    input: usize,
    rows: usize,
    scratch: usize,
    scratch_half: usize,
    margins: usize,
    output: usize,
}

impl SlotSizes {
    fn new(lowered: &Lowered, capacity: usize) -> Option<Self> {
        let bytes =
            |a: usize, b: usize| a.checked_mul(b)?.checked_mul(capacity).filter(|bytes| *bytes < u32::MAX as usize);
        let (scratch, scratch_half, margins) = match &lowered.body {
            Body::Forest(forest) => (bytes(4, forest.trees.len())?, 0, bytes(8, forest.targets)?),
            Body::Network(network) => (bytes(8, network.widest())?, bytes(4, network.widest())?, 0),
        };
        Some(Self {
            input: bytes(1, lowered.raw.row_bytes())?.checked_add(HEADER)?,
            rows: bytes(4, lowered.columns.len())?,
            scratch,
            scratch_half,
            margins,
            output: bytes(4, lowered.body.width() + 1)?,
        })
    }

    fn all(&self) -> usize {
        self.input + self.rows + self.scratch + self.margins + self.output
    }
}

/// Sizes of batches that the slots of a model are made for.
fn capacities(lowered: &Lowered, most: usize) -> Vec<usize> {
    let fits =
        |rows: &usize| *rows <= most && SlotSizes::new(lowered, *rows).is_some_and(|sizes| sizes.all() <= SLOT_BYTES);
    SIZES.into_iter().take_while(fits).collect()
}

impl SlotMemory {
    fn new(context: &Context, sizes: &SlotSizes) -> Result<Self, CudaError> {
        let memory = |bytes: usize| DeviceMemory::new(context, bytes);
        let slot = Self {
            input: memory(sizes.input)?,
            rows: memory(sizes.rows)?,
            scratch: memory(sizes.scratch)?,
            margins: memory(sizes.margins)?,
            output: memory(sizes.output)?,
        };
        slot.output.clear()?;
        context.settle()?;
        Ok(slot)
    }

    fn places(&self, lowered: &Lowered, sizes: &SlotSizes, rows: usize, multiprocessors: u32) -> Places {
        let answers = self.output.address();
        Places {
            count: self.input.address(),
            raw: self.input.address() + HEADER as u64,
            raw_width: number(lowered.raw.width()),
            rows: self.rows.address(),
            scratch: self.scratch.address(),
            scratch_half: sizes.scratch_half as u64,
            margins: self.margins.address(),
            answers,
            labels: answers + 4 * (rows * lowered.body.width()) as u64,
            capacity: number(rows),
            multiprocessors,
        }
    }
}

/// What placing works with.
pub struct Ground<'a> {
    pub context: &'a Context,
    pub kernels: &'a Kernels,
    pub report: &'a Report,
}

/// A model to be placed, and rows of it to measure with: raw ones, as bytes.
pub struct Order {
    pub lowered: Lowered,
    pub sample: Vec<u8>,
    pub most_rows: usize,
    pub precision: Precision,
}

impl Ground<'_> {
    /// Places a model; `between` is called between the steps, each of which is short.
    pub fn place(&self, order: &Order, between: &mut dyn FnMut()) -> Result<(Resident, Placed), PlaceError> {
        let lowered = &order.lowered;
        let capacities = capacities(lowered, order.most_rows);
        let Some(sizes) = capacities.last().and_then(|most| SlotSizes::new(lowered, *most)) else {
            return Err(PlaceError::TooMany);
        };
        self.check_room(Tables::bytes_of(lowered) + SLOTS * sizes.all())?;
        let tables = Tables::upload(self.context, lowered)?;
        self.context.settle()?;
        between();
        let mut slots = Vec::with_capacity(SLOTS);
        let mut hosts = Vec::with_capacity(SLOTS);
        let (mut ways, mut busy) = (Vec::new(), Vec::new());
        for at in 0..SLOTS {
            let (mut slot, mut host) = self.slot(lowered, &sizes, at)?;
            if at == 0 {
                fill(&mut host, order, capacities.last().copied().unwrap_or(1));
            }
            for (index, rows) in capacities.iter().enumerate() {
                let bench =
                    Bench { ground: self, tables: &tables, order, sizes: &sizes, rows: *rows, first: ways.is_empty() };
                let graph = match ways.get(index) {
                    Some(way) => bench.record(&slot, &host, *way)?,
                    None => {
                        let (graph, way, time) = bench.fastest(&slot, &mut host)?;
                        ways.push(way);
                        busy.push(time);
                        graph
                    }
                };
                slot.graphs.push(graph);
                between();
            }
            slots.push(slot);
            hosts.push(host);
        }
        let bytes = tables.bytes() + SLOTS * sizes.all();
        Ok((Resident { slots, tables }, Placed { slots: hosts, capacities, busy, ways, bytes }))
    }

    fn check_room(&self, needed: usize) -> Result<(), PlaceError> {
        let free = self.context.free_bytes()?.saturating_sub(RESERVE);
        match needed > free {
            true => Err(PlaceError::TooLarge { needed: needed as u64, free: free as u64 }),
            false => Ok(()),
        }
    }

    fn slot(&self, lowered: &Lowered, sizes: &SlotSizes, number: usize) -> Result<(DeviceSlot, Slot), CudaError> {
        let (answer, done) = bounded(1);
        let context = self.context;
        let device = DeviceSlot {
            stream: Stream::new(context)?,
            done: Event::new(context)?,
            graphs: Vec::new(),
            memory: SlotMemory::new(context, sizes)?,
            answer,
        };
        let (input, output) = (Pinned::new(context, sizes.input, true)?, Pinned::new(context, sizes.output, false)?);
        Ok((device, Slot { number, input, output, done, raw: lowered.raw }))
    }
}

/// Fills a slot with the sample, over and over.
fn fill(slot: &mut Slot, order: &Order, rows: usize) {
    let bytes = order.lowered.raw.row_bytes() * rows;
    let to = &mut slot.input.slice_mut::<u8>()[HEADER..][..bytes];
    if !order.sample.is_empty() {
        to.chunks_mut(order.sample.len()).for_each(|piece| piece.copy_from_slice(&order.sample[..piece.len()]));
    }
}

/// One size of one slot, being recorded.
struct Bench<'a> {
    ground: &'a Ground<'a>,
    tables: &'a Tables,
    order: &'a Order,
    sizes: &'a SlotSizes,
    rows: usize,
    /// Nothing of this model has been measured before it.
    first: bool,
}

impl Bench<'_> {
    fn record(&self, slot: &DeviceSlot, host: &Slot, way: Way) -> Result<Graph, CudaError> {
        slot.stream.record(|| self.put(slot, host, way))
    }

    /// Rows in, launches, answers out.
    fn put(&self, slot: &DeviceSlot, host: &Slot, way: Way) -> Result<(), CudaError> {
        let (memory, lowered) = (&slot.memory, &self.order.lowered);
        let places = memory.places(lowered, self.sizes, self.rows, self.ground.report.multiprocessors);
        slot.stream.copy_in(&memory.input, &host.input, HEADER + self.rows * lowered.raw.row_bytes())?;
        for launch in recipe::launches(self.tables, &lowered.body, &places, way) {
            slot.stream.launch(self.ground.kernels.function(launch.kernel), launch.dim, &launch.parameter)?;
        }
        slot.stream.copy_out(&host.output, 0, &memory.output, 4 * self.rows * (lowered.body.width() + 1))
    }

    /// The way that takes the device least time, recorded. Each is run once as it is before: what a
    /// first launch loads must not fall into a recording.
    fn fastest(&self, slot: &DeviceSlot, host: &mut Slot) -> Result<(Graph, Way, Duration), CudaError> {
        host.set_count(number(self.rows));
        let mut best = None;
        for way in recipe::ways(self.tables, self.order.precision) {
            let started = Instant::now();
            self.put(slot, host, way)?;
            slot.stream.synchronize()?;
            let trials = if started.elapsed() > LONG { LONG_TRIALS } else { TRIALS };
            let graph = self.record(slot, host, way)?;
            if self.first && best.is_none() {
                self.warm_up(slot, &graph)?;
            }
            let time = self.timed(slot, &graph, trials)?;
            if best.as_ref().is_none_or(|(_, _, least)| time < *least) {
                best = Some((graph, way, time));
            }
        }
        best.ok_or(CudaError::Useless("no way computes the model"))
    }

    /// Launches stand one behind the other between two events: the first one's way to the device would
    /// count alone.
    fn timed(&self, slot: &DeviceSlot, graph: &Graph, (trials, launches): (usize, u8)) -> Result<Duration, CudaError> {
        let (start, end) = (Event::new(self.ground.context)?, Event::new(self.ground.context)?);
        let mut best = Duration::MAX;
        for _ in 0..trials {
            start.record(&slot.stream)?;
            for _ in 0..launches {
                slot.stream.launch_graph(graph)?;
            }
            end.record(&slot.stream)?;
            slot.stream.synchronize()?;
            let milliseconds = f64::from(end.milliseconds_since(&start)?) / f64::from(launches);
            best = best.min(Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default());
        }
        Ok(best)
    }

    /// Keeps the device at work until its clock has risen: an idle one runs at a fraction of it.
    fn warm_up(&self, slot: &DeviceSlot, graph: &Graph) -> Result<(), CudaError> {
        let started = Instant::now();
        while started.elapsed() < WARM_UP {
            slot.stream.launch_graph(graph)?;
            slot.stream.synchronize()?;
        }
        Ok(())
    }
}

impl Resident {
    /// Sends a filled slot's batch on its way.
    pub fn launch(&self, slot: usize, size: usize) -> Result<(), CudaError> {
        let Some(slot) = self.slots.get(slot) else { return Ok(()) };
        let Some(graph) = slot.graphs.get(size) else { return Ok(()) };
        slot.stream.launch_graph(graph)?;
        slot.done.record(&slot.stream)
    }

    /// Frees everything, graphs before the memory that they name; `between` is called between the pieces.
    pub fn dismantle(self, between: &mut dyn FnMut()) {
        for slot in self.slots {
            drop(slot);
            between();
        }
        self.tables.dismantle(between);
    }

    pub fn is_done(&self, slot: usize) -> Result<bool, CudaError> {
        self.slots.get(slot).map_or(Ok(true), |slot| slot.done.is_done())
    }

    /// Tells who waits for a slot.
    pub fn tell(&self, slot: usize, outcome: Result<(), String>) {
        if let Some(slot) = self.slots.get(slot) {
            // Room for one, and one is asked for at a time; nobody waits any more after a time-out.
            let _ = slot.answer.try_send(outcome);
        }
    }
}
