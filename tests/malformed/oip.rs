//! Inference requests that are no JSON, not the protocol's, or not what the model takes.

use super::{INFER, Row, WINE};
use serde_json::{Value, json};

/// A good input with its members replaced; one replaced by `null` is left out.
fn input(replaced: &Value) -> Value {
    let data: Value = serde_json::from_str(WINE).expect("a list");
    let mut input = json!({"name": "input", "shape": [1, 13], "datatype": "FP32", "data": data});
    for (name, value) in replaced.as_object().expect("members") {
        input[name] = value.clone();
        if value.is_null() {
            input.as_object_mut().expect("an object").remove(name);
        }
    }
    input
}

/// A request with one input whose members are replaced.
fn with(name: &str, replaced: &Value, word: &'static str) -> Row {
    Row::body(name, INFER, json!({"inputs": [input(replaced)]}).to_string(), word)
}

/// A good request with other members beside its inputs.
fn beside(name: &str, mut members: Value, word: &'static str) -> Row {
    members["inputs"] = json!([input(&json!({}))]);
    Row::body(name, INFER, members.to_string(), word)
}

/// A good request whose data is replaced by some text, which need not be JSON.
fn data(name: &str, datatype: &str, data: &str, word: &'static str) -> Row {
    let start = format!("{{\"inputs\":[{{\"name\":\"input\",\"shape\":[1,13],\"datatype\":\"{datatype}\",\"data\":");
    Row::body(name, INFER, format!("{start}{data}}}]}}"), word)
}

pub fn rows() -> Vec<Row> {
    [bodies(), members(), shapes(), values(), requests(), tables()].into_iter().flatten().collect()
}

fn bodies() -> Vec<Row> {
    let good = json!({"inputs": [input(&json!({}))]}).to_string();
    let bad = |name: &str, body: &str, word| Row::body(name, INFER, body, word);
    vec![
        bad("an empty inference", "", "end of the text"),
        bad("an inference that is a list", WINE, "an object"),
        bad("an inference that ends early", &good[..good.len() / 2], "malformed JSON"),
        bad("an inference and its end again", &format!("{good}}}"), "end of the text"),
        bad("two inferences", &format!("{good}\n{good}"), "end of the text"),
        bad("an inference without inputs", "{}", "'input' is missing"),
        bad("an inference with no input", "{\"inputs\":[]}", "'input' is missing"),
        bad("inputs that are an object", "{\"inputs\":{}}", "inputs"),
        bad("inputs that are null", "{\"inputs\":null}", "inputs"),
        bad("inputs twice", &format!("{},\"inputs\":[]}}", &good[..good.len() - 1]), "given twice"),
        bad("inputs that are numbers", "{\"inputs\":[1,2]}", "inputs"),
        bad("a million brackets in inputs", &format!("{{\"inputs\":{}", "[".repeat(1_000_000)), "inputs"),
        bad("a million brackets beside inputs", &format!("{{\"extra\":{}", "[".repeat(1_000_000)), "max-json-depth"),
        data("a million brackets in data", "FP32", &"[".repeat(1_000_000), "max-json-depth"),
    ]
}

fn members() -> Vec<Row> {
    let long = "n".repeat(1 << 20);
    vec![
        with("an input name without end", &json!({"name": long}), "unexpected inference input"),
        with("a number without end", &json!({"shape": [1, 1e300]}), "shape"),
        with("a hundred thousand axes", &json!({"shape": vec![1; 100_000]}), "shape"),
        beside("an output's name without end", json!({"outputs": [{"name": long}]}), "unexpected inference output"),
        with("an input without a name", &json!({"name": null}), "no name"),
        with("an input without a datatype", &json!({"datatype": null}), "'datatype' is missing"),
        with("an input without a shape", &json!({"shape": null}), "'shape' is missing"),
        with("an input without data", &json!({"data": null}), "'data' is missing"),
        with("an input whose name is a number", &json!({"name": 5}), "a string"),
        with("an input of another name", &json!({"name": "inptu"}), "did you mean 'input'"),
        with("an unknown datatype", &json!({"datatype": "FLOAT"}), "unknown datatype"),
        with("a datatype in lower case", &json!({"datatype": "fp32"}), "unknown datatype"),
        with("a datatype that is a number", &json!({"datatype": 32}), "datatype"),
        with("FP64 where FP32 is taken", &json!({"datatype": "FP64"}), "data-type is 'FP64'"),
        with("FP16 in JSON", &json!({"datatype": "FP16"}), "binary data format"),
        with("BF16 in JSON", &json!({"datatype": "BF16"}), "binary data format"),
        with("words where numbers are taken", &json!({"datatype": "BYTES", "data": ["a"], "shape": [1, 1]}), "'BYTES'"),
        with("binary data", &json!({"data": null, "parameters": {"binary_data_size": 52}}), "binary data"),
        with("parameters of an input that are a list", &json!({"parameters": []}), "parameters"),
    ]
}

fn shapes() -> Vec<Row> {
    let mebi = 1 << 20;
    let shape = |name: &str, shape: Value, word| with(name, &json!({"shape": shape}), word);
    vec![
        shape("a shape that is a number", json!(13), "shape"),
        shape("a shape of words", json!(["1", "13"]), "shape"),
        shape("a shape of fractions", json!([1.5, 13]), "shape"),
        shape("a shape in a shape", json!([[1, 13]]), "shape"),
        shape("a negative shape", json!([-1, 13]), "negative"),
        shape("an empty shape", json!([]), "takes 1 elements"),
        shape("a shape without the batch", json!([13]), "unexpected shape"),
        shape("a shape with an axis too many", json!([1, 13, 1]), "unexpected shape"),
        shape("a shape too narrow for the data", json!([1, 12]), "takes 12 elements, got 13"),
        shape("a shape too long for the data", json!([2, 13]), "takes 26 elements, got 13"),
        shape("a shape of a tebi of elements", json!([mebi, mebi]), "elements, got 13"),
        shape("a shape beyond memory", json!([mebi, mebi, mebi, mebi]), "memory can address"),
        shape("a shape at the edge of the integers", json!([i64::MAX, i64::MAX]), "memory can address"),
        shape("a shape beyond the integers", json!([u64::MAX, 13]), "does not fit"),
        shape("a shape of a thousand axes", json!(vec![1; 1000]), "at most 32 axes"),
        with("a width the model does not take", &json!({"shape": [1, 2], "data": [1, 2]}), "unexpected shape"),
        with("no rows", &json!({"shape": [0, 13], "data": []}), "no rows"),
        with("a negative shape behind the data", &json!({"shape": [1, -13]}), "negative"),
    ]
}

fn values() -> Vec<Row> {
    let twelve = "1,".repeat(12);
    let nested = |rows: &[usize]| -> Value { rows.iter().map(|n| json!(vec![1.0; *n])).collect() };
    let spelled = |name: &str, values: Value, word| with(name, &json!({"data": values}), word);
    vec![
        spelled("data that is a number", json!(5), "data"),
        spelled("data that is a text", json!("AAAA"), "data"),
        spelled("data that is an object", json!({}), "data"),
        spelled("too little data", json!([1, 2]), "takes 13 elements, got 2"),
        spelled("ragged data", nested(&[13, 2]), "unlike length"),
        spelled("data nested to another shape", nested(&[1; 13]), "nested as"),
        spelled("data nested too deep", json!([nested(&[13])]), "nested as"),
        spelled("a word in the data", json!([1, 2, "three", 4]), "element 2"),
        spelled("a truth value in the data", json!([1, true]), "element 1"),
        data("a value beyond FP64", "FP32", &format!("[{twelve}1e400]"), "does not fit in FP32"),
        data("a value beyond FP32", "FP32", &format!("[{twelve}1e39]"), "does not fit in FP32"),
        data("a value beyond UINT8", "UINT8", &format!("[{twelve}256]"), "does not fit in UINT8"),
        data("a negative value for UINT8", "UINT8", &format!("[{twelve}-1]"), "does not fit in UINT8"),
        data("a value beyond INT64", "INT64", &format!("[{twelve}9223372036854775808]"), "does not fit in INT64"),
        data("a value beyond UINT64", "UINT64", &format!("[{twelve}1e30]"), "an integer for UINT64"),
        data("a fraction for INT32", "INT32", &format!("[{twelve}1.5]"), "an integer for INT32"),
        data("NaN for INT32", "INT32", &format!("[{twelve}NaN]"), "an integer for INT32"),
        data("null for INT32", "INT32", &format!("[{twelve}null]"), "an integer for INT32"),
        data("two for BOOL", "BOOL", "[2]", "true, false, 0 or 1"),
        data("a number for BYTES", "BYTES", "[5]", "a string for BYTES"),
        data("integers where fractions are taken", "INT64", &format!("[{twelve}13]"), "data-type is 'INT64'"),
        data("data that is no JSON", "FP32", "[1,2,x]", "malformed JSON"),
        data("a million digits", "INT64", &format!("[{}]", "9".repeat(1_000_000)), "INT64"),
    ]
}

fn requests() -> Vec<Row> {
    let twice = json!({"inputs": [input(&json!({})), input(&json!({}))]}).to_string();
    let label = json!({"name": "output_label"});
    vec![
        Row::body("an input twice", INFER, twice, "given twice"),
        beside("an id that is a number", json!({"id": 5}), "id"),
        beside("an unknown output", json!({"outputs": [{"name": "outptu_label"}]}), "unexpected inference output"),
        beside("an output twice", json!({"outputs": [label, label]}), "asked for twice"),
        beside("an output without a name", json!({"outputs": [{}]}), "no name"),
        beside("outputs that are names", json!({"outputs": ["output_label"]}), "outputs"),
        beside("outputs that are an object", json!({"outputs": label}), "outputs"),
        beside(
            "classes of words",
            json!({"outputs": [{"name": "output_label", "parameters": {"classification": 2}}]}),
            "only numbers can be ranked",
        ),
        beside(
            "a classification without a count",
            json!({"outputs": [{"name": "output_label", "parameters": {"classification": "two"}}]}),
            "classification",
        ),
        beside("a reserved parameter", json!({"parameters": {"triton_final_response": true}}), "reserved"),
        beside("a priority in words", json!({"parameters": {"priority": "high"}}), "priority"),
        beside("a binary wish in words", json!({"parameters": {"binary_data_output": "yes"}}), "binary_data_output"),
        beside(
            "an output in shared memory",
            json!({"outputs": [{"name": "output_label", "parameters": {"shared_memory_region": "r"}}]}),
            "shared memory",
        ),
        beside("parameters that are a list", json!({"parameters": []}), "parameters"),
        beside("a timeout in words", json!({"parameters": {"timeout": "soon"}}), "timeout"),
        beside("a negative timeout", json!({"parameters": {"timeout": -1}}), "timeout"),
    ]
}

fn tables() -> Vec<Row> {
    const CHURN: &str = "/v2/models/churn/infer";
    let column = |name: &str, datatype: &str, data: Value| {
        let rows = data.as_array().map_or(0, Vec::len);
        json!({"name": name, "datatype": datatype, "shape": [rows, 1], "data": data})
    };
    let table = |contract: Option<Value>, region: Value| {
        let numbers = ["tenure_months", "monthly_charges", "support_calls", "data_usage_gb"];
        let mut inputs: Vec<Value> = numbers.map(|name| column(name, "FP32", json!([1.0]))).into();
        inputs.push(column("payment_method", "BYTES", json!(["card"])));
        inputs.extend([contract, Some(region)].into_iter().flatten());
        json!({"inputs": inputs}).to_string()
    };
    let (contract, region) = (column("contract", "BYTES", json!(["x"])), column("region", "BYTES", json!(["x"])));
    let taller = column("region", "BYTES", json!(["x", "y"]));
    let number = column("region", "BYTES", json!([5]));
    let typed = column("region", "FP32", json!([5.0]));
    vec![
        Row::body("a table without a column", CHURN, table(None, region), "'contract' is missing"),
        Row::body("columns of unlike height", CHURN, table(Some(contract.clone()), taller), "2 rows"),
        Row::body("a number among words", CHURN, table(Some(contract.clone()), number), "a string for BYTES"),
        Row::body("a column of numbers for words", CHURN, table(Some(contract), typed), "expects 'BYTES'"),
    ]
}
