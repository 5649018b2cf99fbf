//! Every metric's name and help, together: renaming one is a breaking change.

/// A family's name and the sentence shown beside it.
pub type Family = (&'static str, &'static str);

pub const REQUESTS: Family =
    ("tidegate_requests_total", "Answered requests by model, version, protocol and HTTP status.");
pub const LATENCY: Family =
    ("tidegate_prediction_latency_seconds", "Time from the request's last byte to its answer, successes only.");
pub const QUEUE: Family = ("tidegate_queue_seconds", "Time from admission to the start of the request's batch.");
pub const COMPUTE: Family = ("tidegate_compute_seconds", "Time the engine took for a batch.");
pub const BATCH_ROWS: Family = ("tidegate_batch_rows", "Rows per computed batch.");
pub const BATCHES: Family =
    ("tidegate_batches_total", "Computed batches by why they were cut: inline, idle, full, delay, deadline.");
pub const PREDICTIONS: Family = ("tidegate_predictions_total", "Predicted rows by model, version and variant.");
pub const VARIANT_REQUESTS: Family = (
    "tidegate_variant_requests_total",
    "Requests that a traffic plan assigned, by model, version, variant and result (ok, error).",
);
pub const NOT_COMPARED: Family = (
    "tidegate_requests_not_compared_total",
    "Requests of a split that no comparison counts: forced, missing_unit, holdout, layer, coverage.",
);
pub const VARIANT_WEIGHT: Family = ("tidegate_variant_weight", "The part of the traffic that a variant gets, 0 to 1.");
pub const SHADOW_AGREEMENT: Family = (
    "tidegate_shadow_agreement_ratio",
    "Rows on which a shadow says the same as the version that answered, of those compared.",
);
pub const SHADOW_REQUESTS: Family =
    ("tidegate_shadow_requests_total", "Requests for a shadow by what came of them: compared, dropped, failed.");
pub const DROPPED: Family = (
    "tidegate_dropped_requests_total",
    "Admitted requests that nobody had an answer of: expired, cancelled, wasted (computed for a caller who had left).",
);
pub const SHED: Family =
    ("tidegate_shed_requests_total", "Requests refused because they would have waited past their deadline.");
pub const ENGINE_FAILURES: Family = ("tidegate_engine_failures_total", "Failed runs of an engine: error, panic.");
pub const QUEUE_ROWS: Family = ("tidegate_queue_rows", "Rows waiting now.");
pub const IN_FLIGHT: Family = ("tidegate_in_flight", "Requests being answered now.");
pub const MODEL_INFO: Family = ("tidegate_model_info", "Loaded versions: engine, device, digest, state. Always 1.");
pub const MODEL_LOAD: Family = ("tidegate_model_load_seconds", "How long the version took to load, check and warm up.");
pub const MODEL_MEMORY: Family = ("tidegate_model_memory_bytes", "Estimated memory held by the version.");
pub const GPU_STATUS: Family = (
    "tidegate_gpu_status",
    "1 for how it stands with the GPU: off, absent, driver_too_old, unsupported, ready, lost; 0 for the others.",
);
pub const GPU_BATCHES: Family = (
    "tidegate_gpu_batches_total",
    "Batches for the GPU: computed, rescued (by the CPU when the GPU failed), turned_away (to the CPU: no slot free).",
);
pub const GPU_ROWS: Family = ("tidegate_gpu_rows_total", "Rows that the GPU has computed.");
pub const GPU_MEMORY: Family =
    ("tidegate_gpu_memory_bytes", "Memory of the GPU: total, and held by the models placed on it.");
pub const MODEL_READY: Family = ("tidegate_model_ready", "1 while the model serves a version.");
pub const SAMPLES: Family = ("tidegate_samples_total", "Rows that monitoring has taken.");
pub const SAMPLES_DROPPED: Family = (
    "tidegate_samples_dropped_total",
    "Rows of the sample that were lost: ring (the collector was behind), request (too many rows in one).",
);
pub const SAMPLING: Family = ("tidegate_sampling_probability", "Share of rows that monitoring takes now.");
pub const DRIFT_SCORE: Family = (
    "tidegate_data_drift_score",
    "Distance of a column's last hour from its reference, by statistic: psi (less what chance gives), js, ks, w1.",
);
pub const MISSING: Family = ("tidegate_data_missing_ratio", "Share of missing values in a column's last hour.");
pub const DRIFTED: Family = ("tidegate_drifted_features", "Columns with an alarm, by length of window.");
pub const DRIFT_STATUS: Family = (
    "tidegate_drift_status",
    "How a version stands, by length of window: 0 ok, 1 notice, 2 warning, 3 critical, -1 too little seen.",
);
pub const VIOLATIONS: Family =
    ("tidegate_data_quality_violations_total", "Values that break the model's contract, by column and kind.");
pub const STREAM_CHANGES: Family =
    ("tidegate_stream_changes_total", "Changes that detectors found in single columns, by column and detector.");
pub const SERIES_DROPPED: Family =
    ("tidegate_monitor_series_dropped", "Columns left out of the metrics to keep within --monitor-series.");

/// Process-wide families, through the `metrics` facade.
pub const REJECTED: Family = ("tidegate_rejected_total", "Requests that were refused or failed, by reason.");
pub const SWAPS: Family = ("tidegate_model_swaps_total", "Attempts to put a version into service, by result.");
pub const CONNECTIONS: Family = ("tidegate_connections_total", "Accepted connections by port.");
