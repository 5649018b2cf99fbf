//! One model on one device, checked and timed on request: the half of `benches/gpu/run.py` that is ours.
//!
//! Lines on standard input, one answer for each on standard output, `ok WORDS` or `failed WORDS`;
//! `benches/gpu.sh` lists them. On the CPU a batch is dealt out to all cores.

#[path = "../tests/gpu/generate.rs"]
mod generate;

use crossbeam::channel::{Receiver, Sender, bounded};
use generate::{Random, differences, table};
use std::cell::OnceCell;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tidegate::engine::conformance::{self, Case, Closeness};
use tidegate::engine::device::{Accelerator, Device, Precision, Settings, Taken, Where, Work};
use tidegate::engine::{self, Format, Options, Prepared, golden};
use tidegate::sync::cores;
use tidegate::tensor::{Data, Tensor};

fn main() {
    // `cargo bench` starts every bench with this, and nobody would answer there.
    if std::env::args().any(|argument| argument == "--bench") {
        return println!("gpu: see benches/gpu.sh");
    }
    let mut bench = Bench::with(Settings::default());
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("text");
        match bench.answer(&line.split_whitespace().collect::<Vec<_>>()) {
            Ok(words) => println!("ok {words}"),
            Err(words) => println!("failed {}", words.replace('\n', " ")),
        }
        std::io::stdout().flush().expect("a reader");
    }
}

/// How long a batch may take under a sanitizer, and how many rows it may have at most: all is slow there.
const PATIENCE: Duration = Duration::from_secs(60);
const FEW_ROWS: usize = 512;

struct Bench {
    settings: Settings,
    /// Opened when it is first needed.
    device: OnceCell<Device>,
    loaded: Option<Loaded>,
}

struct Loaded {
    model: Arc<dyn Prepared>,
    runner: Runner,
    rows: Vec<Tensor>,
    at: Where,
    cases: Vec<Case>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(device) = self.device.get() {
            device.close();
        }
    }
}

/// Who computes a batch.
enum Runner {
    Device(Box<dyn engine::Session>),
    Cores(Cores),
}

impl Bench {
    fn with(settings: Settings) -> Self {
        Self { settings, device: OnceCell::new(), loaded: None }
    }

    fn answer(&mut self, words: &[&str]) -> Result<String, String> {
        match *words {
            ["load", dir, device] => {
                self.loaded = None;
                let (loaded, said) = self.load(Path::new(dir), device)?;
                self.loaded = Some(loaded);
                Ok(said)
            }
            ["answers", file] => self.loaded()?.answers(Path::new(file)),
            ["run", rows, millis] => {
                let (rows, millis) = (number(rows)?, number(millis)? as u64);
                self.loaded()?.run(rows, Duration::from_millis(millis))
            }
            ["device", rows] => Ok(self.loaded()?.busy(number(rows)?)),
            ["conformance"] => {
                let loaded = self.loaded()?;
                // Networks on the CPU have other last bits in other batches.
                let on_cpu = matches!(loaded.at, Where::Cpu { .. });
                let batching = if on_cpu { Closeness::default() } else { Closeness::EXACT };
                conformance::judge(loaded.model.as_ref(), &loaded.cases, batching)?;
                Ok("passed".into())
            }
            ["forests", seed, count] => self.forests(number(seed)? as u64, number(count)?),
            ["small"] => {
                Self::with(Settings { watchdog: PATIENCE, most_rows: FEW_ROWS, ..Settings::default() }).small()
            }
            _ => Err(format!("expected a line of those in benches/gpu.sh, got '{}'", words.join(" "))),
        }
    }

    fn loaded(&mut self) -> Result<&mut Loaded, String> {
        self.loaded.as_mut().ok_or_else(|| "nothing is loaded".into())
    }

    fn accelerator(&self) -> Result<&Arc<dyn Accelerator>, String> {
        match self.device.get_or_init(|| Device::open(&self.settings)) {
            Device::Some(device) => Ok(device),
            Device::None(status) => Err(status.reason().unwrap_or_default()),
        }
    }

    fn load(&self, dir: &Path, device: &str) -> Result<(Loaded, String), String> {
        let read = |name: &str| std::fs::read(dir.join(name)).map_err(|error| format!("{name}: {error}"));
        let bytes = read("model.onnx")?;
        let cpu =
            engine::import(Format::Onnx, &bytes, Options::default(), None).map_err(|error| error.to_string())?.model;
        let cases = golden::read(&read("golden.json")?, cpu.signature()).map_err(|error| error.to_string())?;
        let rows = cases.first().ok_or("no golden cases")?.inputs.clone();
        let (model, runner, at) = match device {
            "cpu" => (cpu.clone(), Runner::Cores(Cores::new(&cpu)?), Where::Cpu { reason: None }),
            _ => {
                let Taken { alone, at, .. } = self.place(&bytes, &cpu, &rows)?;
                (alone.clone(), Runner::Device(session(&alone)?), at)
            }
        };
        conformance::golden(model.as_ref(), &cases)?;
        let table: Vec<String> = at
            .table()
            .iter()
            .map(|row| {
                format!("{}:{}:{}:{}", row.rows, row.cpu.as_nanos(), row.device.as_nanos(), row.device_busy.as_nanos())
            })
            .collect();
        let said = format!("{} {}", at.id(), table.join(" "));
        Ok((Loaded { model, runner, rows, at, cases }, said))
    }

    fn place(&self, bytes: &[u8], cpu: &Arc<dyn Prepared>, sample: &[Tensor]) -> Result<Taken, String> {
        let lowered = engine::lower(Format::Onnx, bytes, cpu.as_ref())?;
        self.accelerator()?.place(cpu, lowered, Work { sample, always: false, precision: Precision::Fp32 })
    }

    /// Random forests on the device against the CPU: scores to the bit, labels equal, and every row alone
    /// as in its batch.
    fn forests(&self, seed: u64, count: usize) -> Result<String, String> {
        let mut rows_compared = 0;
        for seed in seed..seed + count as u64 {
            let random = &mut Random(seed);
            let (exact, (bytes, columns)) = match seed % 3 {
                0 => (true, generate::regressor(random)),
                1 => (false, generate::classifier(random)),
                _ => (true, generate::pipeline(random)),
            };
            rows_compared +=
                self.compare(&bytes, columns, random, exact).map_err(|words| format!("seed {seed}: {words}"))?;
        }
        Ok(format!("{count} forests, {rows_compared} rows, no difference"))
    }

    fn compare(&self, bytes: &[u8], columns: usize, random: &mut Random, exact: bool) -> Result<usize, String> {
        let cpu =
            engine::import(Format::Onnx, bytes, Options::default(), None).map_err(|error| error.to_string())?.model;
        let taken = self.place(bytes, &cpu, &[table(random, 5, columns)])?;
        let mut compared = 0;
        for rows in [1, 7, 40, 300] {
            let inputs = [table(random, rows, columns)];
            let (want, got) = (run(&cpu, &inputs)?, run(&taken.alone, &inputs)?);
            for (want, got) in want.iter().zip(&got) {
                let label = matches!(want.data(), Data::I64(_));
                match differences(want, got, exact || label) {
                    0 => {}
                    n => return Err(format!("{n} values of {rows} rows differ")),
                }
            }
            compared += rows;
        }
        conformance::batch_invariant(taken.alone.as_ref(), &[table(random, 9, columns)], Closeness::EXACT)?;
        Ok(compared)
    }

    /// Every kernel once on small shapes.
    fn small(&self) -> Result<String, String> {
        let random = &mut Random(1);
        for _ in 0..3 {
            let many = (generate::many_scores(random, 700), 2);
            let made = [generate::regressor(random), generate::classifier(random), generate::pipeline(random), many];
            for (bytes, columns) in made {
                self.compare(&bytes, columns, random, false)?;
            }
        }
        for widths in [&[5, 9, 3][..], &[20, 7000, 3]] {
            let bytes = generate::network(random, widths, Some("Softmax"));
            let cpu =
                engine::import(Format::Onnx, &bytes, Options::default(), None).map_err(|error| error.to_string())?;
            let rows = [generate::plain_table(random, 40, widths[0])];
            let taken = self.place(&bytes, &cpu.model, &rows)?;
            run(&taken.alone, &rows)?;
        }
        Ok("every kernel ran".into())
    }
}

fn number(word: &str) -> Result<usize, String> {
    word.parse().map_err(|_| format!("expected a number, got '{word}'"))
}

fn session(model: &Arc<dyn Prepared>) -> Result<Box<dyn engine::Session>, String> {
    model.session().map_err(|error| error.to_string())
}

fn run(model: &Arc<dyn Prepared>, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    session(model)?.run(inputs).map_err(|error| error.to_string())
}

impl Loaded {
    /// The first output of FP32 for all golden rows, as raw floats.
    fn answers(&mut self, file: &Path) -> Result<String, String> {
        let outputs = run(&self.model, &self.rows)?;
        let floats = outputs.iter().find_map(|output| output.as_slice::<f32>()).ok_or("no output of FP32")?;
        let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(file, bytes).map_err(|error| error.to_string())?;
        Ok(format!("{} values", floats.len()))
    }

    /// Nanoseconds of a call, the median over batches that rotate through the golden rows.
    fn run(&mut self, rows: usize, time: Duration) -> Result<String, String> {
        let batches: Vec<Vec<Tensor>> = (0..16).map(|from| self.batch(from * rows, rows)).collect();
        let mut times = Vec::new();
        let started = Instant::now();
        while started.elapsed() < time || times.len() < 2 * batches.len() {
            for batch in &batches {
                let from = Instant::now();
                self.runner.run(batch)?;
                times.push(from.elapsed().as_nanos());
            }
        }
        times.sort_unstable();
        Ok(times[times.len() / 2].to_string())
    }

    /// `rows` golden rows from a place on, round and round.
    fn batch(&self, from: usize, rows: usize) -> Vec<Tensor> {
        let cut = |tensor: &Tensor| {
            let own = tensor.rows().max(1);
            let row = |at: usize| tensor.rows_at((from + at) % own, 1);
            Tensor::stack(&(0..rows).map(row).collect::<Vec<_>>()).ok().flatten().expect("rows of one shape")
        };
        self.rows.iter().map(cut).collect()
    }

    /// Nanoseconds by the device's clock, and the rows of the launches that they are of.
    fn busy(&self, rows: usize) -> String {
        let table = self.at.table();
        let timed = table.iter().find(|row| row.rows >= rows).or(table.last());
        timed.map_or("0 0".into(), |row| format!("{} {}", row.device_busy.as_nanos(), row.rows))
    }
}

impl Runner {
    fn run(&mut self, inputs: &[Tensor]) -> Result<(), String> {
        match self {
            Self::Device(session) => session.run(inputs).map(|_| ()).map_err(|error| error.to_string()),
            Self::Cores(cores) => cores.run(inputs),
        }
    }
}

/// A thread for each core, with a session of its own.
struct Cores {
    parts: Vec<Sender<Vec<Tensor>>>,
    done: Receiver<Result<(), String>>,
}

/// A part with fewer rows is not worth another thread.
const LEAST_ROWS: usize = 16;

impl Cores {
    fn new(model: &Arc<dyn Prepared>) -> Result<Self, String> {
        let count = cores::usable();
        let (tell, done) = bounded(count);
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            let (part, work) = bounded::<Vec<Tensor>>(1);
            let (mut session, tell) = (session(model)?, tell.clone());
            thread::spawn(move || {
                for inputs in work {
                    let outcome = session.run(&inputs).map(|_| ()).map_err(|error| error.to_string());
                    if tell.send(outcome).is_err() {
                        return;
                    }
                }
            });
            parts.push(part);
        }
        Ok(Self { parts, done })
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<(), String> {
        let rows = inputs.first().map_or(0, Tensor::rows);
        let each = rows.div_ceil(self.parts.len()).max(LEAST_ROWS);
        let mut sent = 0;
        for (part, from) in self.parts.iter().zip((0..rows).step_by(each)) {
            let cut = inputs.iter().map(|tensor| tensor.rows_at(from, each.min(rows - from))).collect();
            part.send(cut).map_err(|_| "a thread has ended".to_owned())?;
            sent += 1;
        }
        (0..sent).try_for_each(|_| self.done.recv().map_err(|error| error.to_string())?)
    }
}
