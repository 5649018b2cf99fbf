//! A version's configuration, as Triton's clients read it.

use crate::engine::device::Where;
use crate::engine::{Dim, TensorSpec};
use crate::front::grpc::proto::model_config::SchedulingChoice;
use crate::front::grpc::proto::model_instance_group::Kind;
use crate::front::grpc::proto::model_version_policy::{All, Latest, PolicyChoice, Specific};
use crate::front::grpc::proto::{
    DataType, ModelConfig, ModelDynamicBatching, ModelInput, ModelInstanceGroup, ModelOutput, ModelQueuePolicy,
    ModelTransactionPolicy, ModelVersionPolicy,
};
use crate::front::oip::platform;
use crate::registry::{Version, Versions};
use crate::tensor::DType;
use serde_json::{Value, json};

/// The configuration that a version runs with.
pub fn config(version: &Version) -> ModelConfig {
    let signature = version.signature();
    let batched = signature.batchable();
    let settings = version.lane.settings();
    ModelConfig {
        name: version.model.as_str().to_owned(),
        platform: platform(version),
        backend: version.loaded.choice.engine.to_owned(),
        version_policy: Some(ModelVersionPolicy { policy_choice: Some(policy(version)) }),
        max_batch_size: if batched { narrow(settings.max_rows) } else { 0 },
        input: signature.inputs.iter().map(|spec| input(spec, batched)).collect(),
        output: signature.outputs.iter().map(|spec| output(spec, batched)).collect(),
        instance_group: vec![ModelInstanceGroup {
            name: format!("{}_0", version.model),
            count: narrow(settings.instances),
            kind: if on_gpu(version) { Kind::Gpu } else { Kind::Cpu }.into(),
        }],
        scheduling_choice: batched.then(|| SchedulingChoice::DynamicBatching(batching(version))),
        model_transaction_policy: Some(ModelTransactionPolicy { decoupled: false }),
        ..ModelConfig::default()
    }
}

/// Whether a GPU computes beside the CPU.
fn on_gpu(version: &Version) -> bool {
    matches!(version.loaded.at, Where::Both { .. })
}

fn batching(version: &Version) -> ModelDynamicBatching {
    let settings = version.lane.settings();
    ModelDynamicBatching {
        max_queue_delay_microseconds: micros(settings.max_delay),
        default_queue_policy: Some(ModelQueuePolicy {
            default_timeout_microseconds: micros(settings.deadline),
            allow_timeout_override: true,
            max_queue_size: u32::try_from(settings.queue_rows).unwrap_or(u32::MAX),
            ..ModelQueuePolicy::default()
        }),
        ..ModelDynamicBatching::default()
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn narrow(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn policy(version: &Version) -> PolicyChoice {
    match &version.manifest.versions {
        Versions::Latest => PolicyChoice::Latest(Latest { num_versions: 1 }),
        Versions::All => PolicyChoice::All(All {}),
        Versions::These(list) => PolicyChoice::Specific(Specific {
            versions: list.iter().map(|number| number.to_string().parse().unwrap_or(i64::MAX)).collect(),
        }),
    }
}

fn input(spec: &TensorSpec, batched: bool) -> ModelInput {
    ModelInput { name: spec.name.clone(), data_type: data_type(spec.dtype).into(), dims: dims(spec, batched) }
}

fn output(spec: &TensorSpec, batched: bool) -> ModelOutput {
    ModelOutput { name: spec.name.clone(), data_type: data_type(spec.dtype).into(), dims: dims(spec, batched) }
}

/// The axes behind the batch axis, where there is one.
fn dims(spec: &TensorSpec, batched: bool) -> Vec<i64> {
    spec.dims.iter().skip(usize::from(batched)).map(Dim::as_i64).collect()
}

fn data_type(dtype: DType) -> DataType {
    match dtype {
        DType::Bool => DataType::TypeBool,
        DType::U8 => DataType::TypeUint8,
        DType::U16 => DataType::TypeUint16,
        DType::U32 => DataType::TypeUint32,
        DType::U64 => DataType::TypeUint64,
        DType::I8 => DataType::TypeInt8,
        DType::I16 => DataType::TypeInt16,
        DType::I32 => DataType::TypeInt32,
        DType::I64 => DataType::TypeInt64,
        DType::F16 => DataType::TypeFp16,
        DType::BF16 => DataType::TypeBf16,
        DType::F32 => DataType::TypeFp32,
        DType::F64 => DataType::TypeFp64,
        DType::Str => DataType::TypeString,
    }
}

/// The message under its members' names, enumerations as their names.
pub fn to_json(config: &ModelConfig) -> Value {
    let mut shown = json!({
        "name": config.name,
        "platform": config.platform,
        "backend": config.backend,
        "version_policy": policy_json(config),
        "max_batch_size": config.max_batch_size,
        "input": config.input.iter().map(|one| tensor_json(&one.name, one.data_type, &one.dims)).collect::<Vec<_>>(),
        "output": config.output.iter().map(|one| tensor_json(&one.name, one.data_type, &one.dims)).collect::<Vec<_>>(),
        "instance_group": config.instance_group.iter().map(|group| json!({
            "name": group.name,
            "kind": Kind::try_from(group.kind).unwrap_or_default().as_str_name(),
            "count": group.count,
        })).collect::<Vec<_>>(),
        "default_model_filename": config.default_model_filename,
        "parameters": {},
        "model_transaction_policy": {"decoupled": false},
    });
    if let Some(SchedulingChoice::DynamicBatching(batching)) = &config.scheduling_choice {
        let policy = batching.default_queue_policy.unwrap_or_default();
        shown["dynamic_batching"] = json!({
            "preferred_batch_size": batching.preferred_batch_size,
            "max_queue_delay_microseconds": batching.max_queue_delay_microseconds,
            "preserve_ordering": batching.preserve_ordering,
            "priority_levels": batching.priority_levels,
            "default_priority_level": batching.default_priority_level,
            "default_queue_policy": {
                "timeout_action": "REJECT",
                "default_timeout_microseconds": policy.default_timeout_microseconds,
                "allow_timeout_override": policy.allow_timeout_override,
                "max_queue_size": policy.max_queue_size,
            },
        });
    }
    shown
}

fn policy_json(config: &ModelConfig) -> Value {
    match config.version_policy.as_ref().and_then(|policy| policy.policy_choice.as_ref()) {
        Some(PolicyChoice::All(_)) => json!({"all": {}}),
        Some(PolicyChoice::Specific(specific)) => json!({"specific": {"versions": specific.versions}}),
        Some(PolicyChoice::Latest(latest)) => json!({"latest": {"num_versions": latest.num_versions}}),
        None => json!({}),
    }
}

fn tensor_json(name: &str, data_type: i32, dims: &[i64]) -> Value {
    json!({"name": name, "data_type": DataType::try_from(data_type).unwrap_or_default().as_str_name(), "dims": dims})
}
