//! What a version has done since it was loaded, counted as Triton counts it.

use crate::front::grpc::proto::{
    InferBatchStatistics, InferStatistics, MemoryUsage, ModelStatistics, StatisticDuration,
};
use crate::front::reply::ApiError;
use crate::front::route::Named;
use crate::front::serve::Front;
use crate::registry::Version;
use serde_json::{Value, json};

impl Front {
    /// The versions that a request means: all of them where it names none.
    pub(in crate::front) fn statistics(&self, named: &Named<'_>) -> Result<Vec<ModelStatistics>, ApiError> {
        let catalog = self.registry.catalog();
        if named.version.is_some() {
            return Ok(vec![statistics(self.choose(named)?.as_ref())]);
        }
        if named.model.is_some() {
            // For its refusal, in the words of every other request.
            self.choose(named)?;
        }
        let meant = |slot: &&&_| named.model.as_deref().is_none_or(|name| name == slot_name(slot));
        let slots = catalog.sorted();
        let versions = slots.iter().filter(meant).flat_map(|slot| {
            slot.serving.load().versions.values().map(|version| statistics(version)).collect::<Vec<_>>()
        });
        Ok(versions.collect())
    }
}

fn slot_name<'a>(slot: &&&'a std::sync::Arc<crate::registry::Slot>) -> &'a str {
    slot.name.as_str()
}

fn statistics(version: &Version) -> ModelStatistics {
    let (stats, lane) = (&version.stats, version.lane.stats());
    let answered = stats.latency.count();
    let (input, queue, infer) = (stats.input_ns.get(), stats.queue_ns.get(), stats.compute_ns.get());
    let output = stats.output_ns();
    let each = |ns| Some(StatisticDuration { count: answered, ns });
    ModelStatistics {
        name: version.model.as_str().to_owned(),
        version: version.name.to_string(),
        last_inference: stats.last_ms(),
        inference_count: stats.rows.get(),
        execution_count: lane.sizes.count(),
        inference_stats: Some(InferStatistics {
            success: each(stats.latency.sum()),
            fail: Some(StatisticDuration { count: stats.failures(), ns: stats.fail_ns.get() }),
            queue: each(queue),
            compute_input: each(input),
            compute_infer: each(infer),
            compute_output: each(output),
            // Answers are not cached.
            cache_hit: Some(StatisticDuration::default()),
            cache_miss: Some(StatisticDuration::default()),
        }),
        batch_stats: lane.sizes.list().into_iter().map(batch).collect(),
        memory_usage: vec![MemoryUsage {
            r#type: "CPU".to_owned(),
            id: 0,
            byte_size: version.loaded.model.memory_bytes() as u64,
        }],
    }
}

fn batch((rows, count, ns): (usize, u64, u64)) -> InferBatchStatistics {
    // Inputs are gathered and outputs dealt within the measured time.
    InferBatchStatistics {
        batch_size: rows as u64,
        compute_input: Some(StatisticDuration { count, ns: 0 }),
        compute_infer: Some(StatisticDuration { count, ns }),
        compute_output: Some(StatisticDuration { count, ns: 0 }),
    }
}

/// The messages under their members' names.
pub fn to_json(all: &[ModelStatistics]) -> Value {
    json!({"model_stats": all.iter().map(one_json).collect::<Vec<_>>()})
}

fn one_json(one: &ModelStatistics) -> Value {
    let stats = one.inference_stats.unwrap_or_default();
    json!({
        "name": one.name,
        "version": one.version,
        "last_inference": one.last_inference,
        "inference_count": one.inference_count,
        "execution_count": one.execution_count,
        "inference_stats": {
            "success": duration(stats.success),
            "fail": duration(stats.fail),
            "queue": duration(stats.queue),
            "compute_input": duration(stats.compute_input),
            "compute_infer": duration(stats.compute_infer),
            "compute_output": duration(stats.compute_output),
            "cache_hit": duration(stats.cache_hit),
            "cache_miss": duration(stats.cache_miss),
        },
        "response_stats": {},
        "batch_stats": one.batch_stats.iter().map(|batch| json!({
            "batch_size": batch.batch_size,
            "compute_input": duration(batch.compute_input),
            "compute_infer": duration(batch.compute_infer),
            "compute_output": duration(batch.compute_output),
        })).collect::<Vec<_>>(),
        "memory_usage": one.memory_usage.iter().map(|usage| json!({
            "type": usage.r#type, "id": usage.id, "byte_size": usage.byte_size,
        })).collect::<Vec<_>>(),
    })
}

fn duration(duration: Option<StatisticDuration>) -> Value {
    let StatisticDuration { count, ns } = duration.unwrap_or_default();
    json!({"count": count, "ns": ns})
}
