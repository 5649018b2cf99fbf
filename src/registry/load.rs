//! One version's files to a version fit to serve: read, imported, checked, measured, warmed.

use super::digest::Digests;
use super::features::Features;
use super::manifest::Manifest;
use super::roles::Roles;
use super::settings::Settings;
use super::source::{FoundVersion, ModelName, Stamp};
use super::stats::VersionStats;
use super::version::{LoadFailure, Version};
use super::watched;
use crate::batcher::{Cost, Lane, Pool, Work};
use crate::engine::cache::{Cache, Place};
use crate::engine::conformance::{self, Case, Closeness};
use crate::engine::device::{Device, Use, Where};
use crate::engine::{self, Dim, Format, Loaded, Prepared, RunError, Session, Signature, golden, tabular};
use crate::monitor::{Monitor, Subject, reference};
use crate::sync::memory;
use crate::tensor::{Data, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows of the larger batch by which a row's cost is measured, and elements that it has at most
/// where two rows have fewer.
const COST_ROWS: usize = 32;
const COST_ELEMENTS: usize = 1 << 22;
/// Time spent on measuring each batch size.
const COST_TIME: Duration = Duration::from_millis(3);

/// A version to be loaded.
#[derive(Clone, Debug)]
pub struct Order {
    pub model: ModelName,
    pub found: FoundVersion,
    pub manifest: Arc<Manifest>,
    pub generation: u64,
    /// The digest in service under the same settings: the same content is not loaded again.
    pub in_service: Option<String>,
}

/// What a load works with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    pub pool: &'a Pool,
    pub cache: Option<&'a Cache>,
    /// What computes beside the CPU, if there is such.
    pub device: &'a Device,
    /// Watches the version, if there is one.
    pub monitor: Option<&'a Monitor>,
}

/// Loads a version. A panic of an engine on a strange file ends here, as a reason.
pub fn load(order: &Order, settings: &Settings, tools: Tools<'_>) -> Result<Version, LoadFailure> {
    catch_unwind(AssertUnwindSafe(|| load_unguarded(order, settings, tools)))
        .unwrap_or_else(|_| Err(LoadFailure::Failed("the engine panicked while loading the file".into())))
}

fn load_unguarded(order: &Order, settings: &Settings, tools: Tools<'_>) -> Result<Version, LoadFailure> {
    let Order { model, found, manifest, generation, in_service } = order;
    let started = Instant::now();
    check_memory(found)?;
    let files = Files::read(found)?;
    if in_service.as_ref() == Some(&files.digest) {
        return Err(LoadFailure::Unchanged);
    }
    let place = tools.cache.map(|cache| Place { cache, content: &files.model_digest });
    let loaded = engine::import(files.format, &files.model, manifest.options, place);
    let loaded = loaded.map_err(|error| LoadFailure::Failed(error.to_string()))?;
    let model_on_cpu = loaded.model.clone();
    let prepared = model_on_cpu.as_ref();
    let row = check_sizes(prepared.signature()).map_err(LoadFailure::Failed)?;
    let cases = check_golden(prepared, files.golden.as_deref())?;
    // The model file's own names come behind those of the reference data, where these fit.
    let own = prepared.columns();
    let header = if own.is_empty() || files.header.len() == own.len() { &files.header } else { own };
    let features = Features::new(prepared.signature(), &manifest.columns, header).map_err(LoadFailure::Failed)?;
    let roles = Roles::new(prepared.signature(), manifest).map_err(LoadFailure::Failed)?;
    let contract = watched::contract(manifest.mode, &manifest.rules, &features).map_err(LoadFailure::Failed)?;
    let mut notes = Vec::new();
    let sample = sample(prepared.signature(), &cases);
    let merge = may_merge(&loaded, &sample, &mut notes);
    let many = (COST_ELEMENTS / row.max(1)).clamp(2, COST_ROWS);
    let cost = measure(prepared, &sample, merge.then_some(many), &mut notes)?;
    let loaded = super::device::place(
        loaded,
        (files.format, &files.model),
        (manifest.gpu, manifest.precision),
        tools.device,
        (&sample, &cases),
    )?;
    let trial = if merge { sample.iter().map(|tensor| tensor.rows_at(0, 1)).collect() } else { sample };
    let work = Work { model: loaded.model.clone(), cost, merge, trial };
    let mut limits = manifest.lane(&settings.batching);
    if manifest.gpu == Use::Always && matches!(loaded.at, Where::Both { .. }) {
        // What runs on the caller's thread never reaches the device.
        limits.inline_below = Duration::ZERO;
    }
    let lane = Lane::new(work, limits, tools.pool, settings.sessions)
        .map_err(|error| LoadFailure::Failed(error.to_string()))?;
    let watch = |monitor: &Monitor| {
        let layout = watched::layout(prepared.signature(), &features, &roles);
        let reference = watched::reference(found, &layout, &mut notes);
        let (model, version, digest) = (model.to_string(), found.number.to_string(), files.digest.clone());
        monitor.watch(Subject { model, version, digest, layout, settings: manifest.monitor.clone(), reference })
    };
    let tap = tools.monitor.filter(|_| manifest.monitor.enabled).and_then(watch);
    Ok(Version {
        model: model.clone(),
        number: found.number,
        name: found.number.to_string().into(),
        generation: *generation,
        digest: files.digest,
        loaded,
        lane,
        features,
        roles,
        manifest: manifest.clone(),
        load_time: started.elapsed(),
        stats: VersionStats::default(),
        contract,
        tap,
        golden_cases: cases.len(),
        notes,
    })
}

/// Memory that a load may take at its peak, for each byte of the model file: the file itself, what is
/// read from it, the prepared model and its plans. As `tidegate check` was measured to take it for
/// files of 20 to 40 MB; docs/reliability.md has the figures.
fn peak_per_byte(format: Format) -> u64 {
    match format {
        // Dense networks, whose plans for so many rows each hold the weights; forests take 7.
        Format::Onnx => 10,
        Format::Ubj => 4,
        Format::Json | Format::Text => 3,
    }
}
/// And what it takes whatever the size.
const PEAK_BASE: u64 = 16 << 20;

/// Refuses a load that the process could not hold, before it is begun: being killed for want of
/// memory would take every other model along.
fn check_memory(found: &FoundVersion) -> Result<(), LoadFailure> {
    let Some(file) = found.model_file() else { return Ok(()) };
    let format = Format::of_file_name(&file.name).unwrap_or(Format::Onnx);
    let needed = file.len.saturating_mul(peak_per_byte(format)).saturating_add(PEAK_BASE);
    match memory::available() {
        Some(available) if needed > available.bytes => Err(LoadFailure::Unreadable(format!(
            "loading may take {} MiB, but {} leaves {} MiB; it is tried again later",
            needed >> 20,
            available.limit,
            available.bytes >> 20
        ))),
        _ => Ok(()),
    }
}

/// Elements that a row may have in all inputs together: a file that claims more would have us take
/// memory on its word.
const MOST_ELEMENTS: usize = 1 << 24;

/// Answers how many elements a row has, axes of free length counted once.
fn check_sizes(signature: &Signature) -> Result<usize, String> {
    let mut sum = 0usize;
    for spec in &signature.inputs {
        let mut fixed = spec.dims.iter().map(|dim| if let Dim::Fixed(n) = dim { *n } else { 1 });
        let elements = fixed.try_fold(1usize, usize::checked_mul);
        sum = sum.saturating_add(elements.unwrap_or(usize::MAX));
        if sum > MOST_ELEMENTS {
            return Err(format!(
                "input '{}' has shape {}: a row has more than {MOST_ELEMENTS} elements",
                spec.name,
                spec.shape_text()
            ));
        }
    }
    Ok(sum)
}

/// The contents of a version's files, known to be of one moment.
struct Files {
    model: Vec<u8>,
    format: Format,
    golden: Option<Vec<u8>>,
    /// Column names of the reference data.
    header: Vec<String>,
    /// Of the model file alone.
    model_digest: String,
    digest: String,
}

impl Files {
    fn read(found: &FoundVersion) -> Result<Self, LoadFailure> {
        let (model, format) = model_file(found)?;
        let files = Self {
            model: read(model)?,
            format,
            golden: found.golden_file().map(read).transpose()?,
            header: found.reference_file().map(|file| reference::input_names(&file.path)).unwrap_or_default(),
            model_digest: String::new(),
            digest: String::new(),
        };
        for file in &found.files {
            match file.again() {
                Ok(now) if now == *file => {}
                _ => return Err(LoadFailure::Changed),
            }
        }
        let golden = files.golden.as_deref().unwrap_or_default();
        let header = files.header.join("\n");
        let mut digests = Digests::default();
        digests.add(format.file_name(), &files.model);
        let model_digest = digests.now();
        digests.add("golden", golden);
        digests.add("header", header.as_bytes());
        if let Some(file) = found.reference_file() {
            let unreadable = |error| LoadFailure::Unreadable(format!("cannot read {}: {error}", file.name));
            digests.add_file(&file.name, &file.path).map_err(unreadable)?;
        }
        Ok(Self { model_digest, digest: digests.now(), ..files })
    }
}

/// The one model file of a version, and its format.
fn model_file(found: &FoundVersion) -> Result<(&Stamp, Format), LoadFailure> {
    let files: Vec<&Stamp> = found.model_files().collect();
    let names = |names: &[&str]| names.join(", ");
    match files.as_slice() {
        [file] => Format::of_file_name(&file.name).map(|format| (*file, format)),
        _ => None,
    }
    .ok_or_else(|| {
        LoadFailure::Failed(if files.is_empty() {
            let known = Format::ALL.map(Format::file_name);
            format!("no model file: expected one of {} in the version's directory", names(&known))
        } else {
            let there: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
            format!("several model files, {}: leave one of them in the version's directory", names(&there))
        })
    })
}

fn read(file: &Stamp) -> Result<Vec<u8>, LoadFailure> {
    match std::fs::read(&file.path) {
        Ok(bytes) if bytes.len() as u64 == file.len => Ok(bytes),
        Ok(_) => Err(LoadFailure::Changed),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(LoadFailure::Changed),
        Err(error) => Err(LoadFailure::Unreadable(format!("cannot read {}: {error}", file.name))),
    }
}

fn check_golden(model: &dyn Prepared, golden: Option<&[u8]>) -> Result<Vec<Case>, LoadFailure> {
    let Some(bytes) = golden else { return Ok(Vec::new()) };
    let cases = golden::read(bytes, model.signature()).map_err(|error| LoadFailure::Failed(error.to_string()))?;
    conformance::golden(model, &cases).map_err(|words| LoadFailure::Failed(format!("golden.json: {words}")))?;
    Ok(cases)
}

/// Rows to warm up and measure with: those of the golden cases, and made-up ones where there are
/// fewer than two. A model without a batch axis is measured with its first case.
fn sample(signature: &Signature, cases: &[Case]) -> Vec<Tensor> {
    const ENOUGH: usize = 64;
    if !signature.batchable() {
        return cases.first().map_or_else(|| made_up(signature, 1), |case| case.inputs.clone());
    }
    let mut parts: Vec<Vec<Tensor>> = Vec::new();
    let mut rows = 0;
    for case in cases {
        let alike = |first: &Vec<Tensor>| {
            first.iter().zip(&case.inputs).all(|(a, b)| a.shape().row_dims() == b.shape().row_dims())
        };
        if rows < ENOUGH && parts.first().is_none_or(alike) {
            rows += case.inputs.first().map_or(0, Tensor::rows);
            parts.push(case.inputs.clone());
        }
    }
    if rows < 2 {
        parts.push(made_up(signature, 3));
    }
    let stack = |at: usize| Tensor::stack(parts.iter().filter_map(|part| part.get(at))).ok().flatten();
    (0..signature.inputs.len()).filter_map(stack).collect()
}

/// Small, differing values in every input; axes of free length get one element.
fn made_up(signature: &Signature, rows: usize) -> Vec<Tensor> {
    let mut inputs = Vec::with_capacity(signature.inputs.len());
    for spec in &signature.inputs {
        let dims: Vec<usize> = spec
            .dims
            .iter()
            .enumerate()
            .map(|(axis, dim)| match dim {
                Dim::Fixed(n) => *n,
                Dim::Any(_) if axis == 0 && signature.batchable() => rows,
                Dim::Any(_) => 1,
            })
            .collect();
        let mut data = Data::zeros(spec.dtype, dims.iter().product());
        vary(&mut data);
        inputs.extend(Tensor::new(dims.as_slice(), data).ok());
    }
    inputs
}

fn vary(data: &mut Data) {
    let fraction = |at: usize| (at % 7) as f32 * 0.25 - 0.5;
    match data {
        Data::F32(values) => values.iter_mut().enumerate().for_each(|(at, value)| *value = fraction(at)),
        Data::F64(values) => values.iter_mut().enumerate().for_each(|(at, value)| *value = f64::from(fraction(at))),
        Data::Str(values) => values.fill("a".into()),
        _ => {}
    }
}

/// Whether rows may share a batch: the axes say so, and trying it showed no difference.
fn may_merge(loaded: &Loaded, sample: &[Tensor], notes: &mut Vec<String>) -> bool {
    let signature = loaded.model.signature();
    if let engine::BatchAxis::None(reason) = &signature.batch {
        notes.push(format!("requests are not merged: {reason}"));
        return false;
    }
    let closeness =
        if loaded.choice.engine == tabular::NAME { Closeness::EXACT } else { Closeness { rtol: 1e-4, atol: 1e-5 } };
    let proof = || conformance::batch_invariant(loaded.model.as_ref(), sample, closeness);
    match catch_unwind(AssertUnwindSafe(proof)).unwrap_or_else(|_| Err("the engine panicked".into())) {
        Ok(()) => true,
        Err(reason) => {
            notes.push(format!("requests are not merged: {reason}"));
            false
        }
    }
}

/// Runs the sample until the times settle; the fastest run of each size counts. `many` is the larger
/// size, for models whose rows may be merged.
fn measure(
    model: &dyn Prepared,
    sample: &[Tensor],
    many: Option<usize>,
    notes: &mut Vec<String>,
) -> Result<Cost, LoadFailure> {
    let mut session = model.session().map_err(|error| LoadFailure::Failed(error.to_string()))?;
    let one: Vec<Tensor> = match many {
        Some(_) => sample.iter().map(|tensor| tensor.rows_at(0, 1)).collect(),
        None => sample.to_vec(),
    };
    let fixed = match fastest(session.as_mut(), &one) {
        Ok(time) => time,
        // Made-up values may be none that the model takes. It is served, but never inline.
        Err(RunError::Input(words)) => {
            notes.push(format!("not warmed up, for want of golden cases it takes: {words}"));
            return Ok(Cost { fixed: Duration::from_millis(1), per_row: Duration::from_millis(1) });
        }
        Err(error) => return Err(LoadFailure::Failed(format!("the warm-up failed: {error}"))),
    };
    let Some(rows) = many else {
        return Ok(Cost { fixed, per_row: Duration::ZERO });
    };
    let many = fastest(session.as_mut(), &repeat_rows(sample, rows));
    let many = many.map_err(|error| LoadFailure::Failed(format!("the warm-up failed: {error}")))?;
    let per_row = many.saturating_sub(fixed) / (rows as u32 - 1);
    Ok(Cost { fixed: fixed.saturating_sub(per_row), per_row })
}

fn fastest(session: &mut dyn Session, inputs: &[Tensor]) -> Result<Duration, RunError> {
    let started = Instant::now();
    let mut best = Duration::MAX;
    loop {
        let run = Instant::now();
        // Made-up values may be such that an engine cannot bear them.
        let outcome = catch_unwind(AssertUnwindSafe(|| session.run(inputs)));
        outcome.unwrap_or_else(|_| Err(RunError::Input("the engine panicked".into())))?;
        best = best.min(run.elapsed());
        if started.elapsed() >= COST_TIME {
            return Ok(best);
        }
    }
}

/// The rows of a sample over and over, `rows` in all.
fn repeat_rows(sample: &[Tensor], rows: usize) -> Vec<Tensor> {
    let repeat = |tensor: &Tensor| {
        let parts: Vec<Tensor> = (0..rows).map(|at| tensor.rows_at(at % tensor.rows().max(1), 1)).collect();
        Tensor::stack(&parts).ok().flatten()
    };
    sample.iter().filter_map(repeat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::TensorSpec;
    use crate::tensor::DType;

    fn signature(widths: &[usize]) -> Signature {
        let spec = |width: &usize| TensorSpec::new("x", DType::F32, vec![Dim::Any(None), Dim::Fixed(*width)]);
        Signature::new(widths.iter().map(spec).collect(), Vec::new())
    }

    #[test]
    fn rows_that_no_caller_could_send_are_refused() {
        assert_eq!(check_sizes(&signature(&[3, 5])), Ok(8));
        assert_eq!(check_sizes(&signature(&[MOST_ELEMENTS])), Ok(MOST_ELEMENTS));
        for widths in [&[MOST_ELEMENTS, 1][..], &[usize::MAX], &[usize::MAX, usize::MAX]] {
            assert!(check_sizes(&signature(widths)).expect_err("too wide").contains("more than"), "{widths:?}");
        }
    }
}
