//! Runs test cases in the layout of the ONNX project and tells how each went, a line of JSON per case.
//!
//! ```text
//! cargo run --example run_onnx -- [--engine auto|tabular|tract] [--rtol R] [--atol A] [--rows] CASE..
//! cargo run --example run_onnx -- --operators
//! ```
//!
//! CASE is a directory with `model.onnx` and `test_data_set_*/{input,output}_*.pb`. A line holds
//! `case`, `outcome` (`pass`, `refused` or `wrong`), `at` (`load` or `run`, where it was refused),
//! `engine`, `reason`, `operators`, and `difference`: the largest between two floats, counted
//! absolutely below 1 and relatively above. With `--rows` it also holds `rows`: `alike` where every
//! row's answer is the same to the last bit alone and in its batch, else what differs. The engine is
//! asked directly: no row is checked, merged or split before.

use prost::Message;
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate::engine::conformance::{Closeness, batch_invariant, compare};
use tidegate::engine::onnx::{self, Graph, pb};
use tidegate::engine::{Prepared, tabular, tract};
use tidegate::tensor::{Data, Tensor};

struct Options {
    engine: String,
    closeness: Closeness,
    rows: bool,
    cases: Vec<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let closeness = Closeness { rtol: 1e-3, atol: 1e-7 };
    let mut options = Options { engine: "auto".into(), closeness, rows: false, cases: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
        match argument.as_str() {
            "--operators" => {
                tabular::operators().for_each(|(domain, name)| println!("{domain} {name}"));
                return Ok(());
            }
            "--rows" => options.rows = true,
            "--engine" => options.engine = value()?,
            "--rtol" => options.closeness.rtol = value()?.parse()?,
            "--atol" => options.closeness.atol = value()?.parse()?,
            case => options.cases.push(case.into()),
        }
    }
    // A panic is reported with its case.
    std::panic::set_hook(Box::new(|_| {}));
    for case in &options.cases {
        println!("{}", judge(case, &options));
    }
    Ok(())
}

/// How a case went.
enum Fate {
    Pass(f64),
    Refused(&'static str, String),
    Wrong(String),
}

fn judge(case: &Path, options: &Options) -> Value {
    let mut told = json!({"case": case.file_name().map(|name| name.to_string_lossy())});
    let fate = catch_unwind(AssertUnwindSafe(|| run(case, options, &mut told)))
        .unwrap_or_else(|panic| Ok(Fate::Wrong(format!("panicked: {}", words(panic.as_ref())))))
        .unwrap_or_else(|error| Fate::Wrong(format!("the case cannot be read: {error}")));
    match fate {
        Fate::Pass(difference) => {
            told["outcome"] = "pass".into();
            told["difference"] = difference.into();
        }
        Fate::Refused(at, reason) => {
            told["outcome"] = "refused".into();
            told["at"] = at.into();
            told["reason"] = reason.into();
        }
        Fate::Wrong(reason) => {
            told["outcome"] = "wrong".into();
            told["reason"] = reason.into();
        }
    }
    told
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}

fn run(case: &Path, options: &Options, told: &mut Value) -> Result<Fate, Box<dyn Error>> {
    let bytes = fs::read(case.join("model.onnx"))?;
    let proto = pb::ModelProto::decode(&*bytes)?;
    told["operators"] = operators(&proto).into();
    let (model, engine) = match prepare(&bytes, &proto, &options.engine) {
        Ok(prepared) => prepared,
        Err(reason) => return Ok(Fate::Refused("load", reason)),
    };
    told["engine"] = engine.into();
    let mut session = model.session()?;
    let mut difference = 0.0;
    for set in sorted(case, "test_data_set_")? {
        let (inputs, wanted) = match (tensors(&set, "input_")?, tensors(&set, "output_")?) {
            (Ok(inputs), Ok(wanted)) => (inputs, wanted),
            (Err(reason), _) | (_, Err(reason)) => return Ok(Fate::Refused("load", reason)),
        };
        let outputs = match session.run(&inputs) {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Fate::Refused("run", error.to_string())),
        };
        if options.rows {
            let alike = match model.signature().batchable() {
                true => batch_invariant(model.as_ref(), &inputs, Closeness::EXACT),
                false => Err("no batch axis".into()),
            };
            told["rows"] = alike.err().unwrap_or_else(|| "alike".into()).into();
        }
        if outputs.len() != wanted.len() {
            return Ok(Fate::Wrong(format!("{} outputs, expected {}", outputs.len(), wanted.len())));
        }
        for (at, (want, got)) in wanted.iter().zip(&outputs).enumerate() {
            if let Err(reason) = compare(want, got, options.closeness) {
                return Ok(Fate::Wrong(format!("output {at}: {reason}")));
            }
            difference = f64::max(difference, apart(want, got));
        }
    }
    Ok(Fate::Pass(difference))
}

/// Operators of the graph, each once, in order of first use.
fn operators(proto: &pb::ModelProto) -> Vec<String> {
    let mut names = Vec::new();
    for node in proto.graph.iter().flat_map(|graph| &graph.node) {
        let domain = if node.domain.is_empty() { "ai.onnx" } else { &node.domain };
        let name = format!("{domain} {}", node.op_type);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn prepare(bytes: &[u8], proto: &pb::ModelProto, engine: &str) -> Result<(Arc<dyn Prepared>, &'static str), String> {
    let graph = || Graph::new(proto).map_err(|error| error.to_string());
    match engine {
        "tabular" => Ok((Arc::new(tabular::Program::new(&graph()?, None)?), tabular::NAME)),
        "tract" => Ok((Arc::new(tract::Network::new(proto, &graph()?)?), tract::NAME)),
        _ => onnx::import(bytes, None)
            .map(|loaded| (loaded.model, loaded.choice.engine))
            .map_err(|error| error.to_string()),
    }
}

/// Entries of a directory by the number behind their common prefix.
fn sorted(directory: &Path, prefix: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(number) = name.strip_prefix(prefix).and_then(|number| number.parse::<usize>().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The stored tensors of a data set, or why one of them is none that the server takes.
fn tensors(set: &Path, prefix: &str) -> Result<Result<Vec<Tensor>, String>, Box<dyn Error>> {
    let mut tensors = Vec::new();
    for path in sorted(set, prefix)? {
        let Ok(proto) = pb::TensorProto::decode(&*fs::read(&path)?) else {
            return Ok(Err(format!("{prefix} is no tensor")));
        };
        match onnx::tensor(&proto) {
            Ok(tensor) => tensors.push(tensor),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(tensors))
}

/// The largest difference between two floats.
fn apart(want: &Tensor, got: &Tensor) -> f64 {
    fn largest(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
        let apart = |(want, got): (f64, f64)| if want == got { 0.0 } else { (want - got).abs() / want.abs().max(1.0) };
        pairs.map(apart).filter(|apart| apart.is_finite()).fold(0.0, f64::max)
    }
    match (want.data(), got.data()) {
        (Data::F32(a), Data::F32(b)) => largest(a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)))),
        (Data::F64(a), Data::F64(b)) => largest(a.iter().zip(b).map(|(a, b)| (*a, *b))),
        _ => 0.0,
    }
}
