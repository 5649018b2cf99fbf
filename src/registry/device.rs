//! The device beside the CPU: looked for at the start, offered every model, shown in the metrics.

use super::version::LoadFailure;
use crate::engine::conformance::Case;
use crate::engine::device::{self, Device, Precision, Status, Use, Where, Wish};
use crate::engine::{Format, Loaded};
use crate::metrics::{Exposition, Kind, names};
use crate::tensor::Tensor;

/// Looks for a device, and says what it found. Without one that is required nothing starts.
pub(super) fn find(settings: &device::Settings) -> std::io::Result<Device> {
    let device = Device::open(settings);
    let status = device.status();
    match (device.readings(), status.reason()) {
        (Some(found), _) => {
            tracing::info!(gpu = %found.id, name = %found.name, capability = %found.capability, "GPU found");
        }
        (None, Some(reason)) if settings.required == Use::Required => {
            return Err(std::io::Error::other(format!("--gpu required, but there is none to be used: {reason}")));
        }
        (None, Some(reason)) if matches!(settings.wish, Wish::Cuda(_)) => {
            tracing::warn!(reason, "no GPU; the CPU computes");
        }
        (None, reason) => tracing::info!(reason, "no GPU; the CPU computes"),
    }
    Ok(device)
}

/// Has the device take the model, unless its owner says otherwise.
pub(super) fn place(
    loaded: Loaded,
    (format, bytes): (Format, &[u8]),
    (wish, precision): (Use, Precision),
    device: &Device,
    (sample, cases): (&[Tensor], &[Case]),
) -> Result<Loaded, LoadFailure> {
    let loaded = match wish {
        Use::Off => {
            let reason = Some("model.toml says device.gpu = \"off\"".into());
            return Ok(Loaded { at: Where::Cpu { reason }, ..loaded });
        }
        Use::Optional | Use::Required | Use::Always => {
            let work = device::Work { sample, always: wish == Use::Always, precision };
            device.take(loaded, format, bytes, work, cases)
        }
    };
    match (wish, &loaded.at) {
        (Use::Required, Where::Cpu { reason }) => {
            let reason = reason.as_deref().unwrap_or("no GPU was asked for");
            Err(LoadFailure::Failed(format!("model.toml says device.gpu = \"required\", but: {reason}")))
        }
        _ => Ok(loaded),
    }
}

/// Writes the families of the device.
pub fn expose_device(device: &Device, out: &mut Exposition) {
    let (status, readings) = (device.status(), device.readings());
    let gpu = readings.as_ref().map_or("none", |readings| readings.id.as_str());
    out.family(names::GPU_STATUS.0, names::GPU_STATUS.1, Kind::Gauge);
    for name in Status::NAMES {
        let holds = f64::from(u8::from(name == status.name()));
        out.sample(names::GPU_STATUS.0, &[("gpu", gpu), ("status", name)], holds);
    }
    let Some(readings) = &readings else { return };
    let counts = readings.counts;
    out.family(names::GPU_BATCHES.0, names::GPU_BATCHES.1, Kind::Counter);
    for (result, count) in
        [("computed", counts.batches), ("rescued", counts.rescued), ("turned_away", counts.turned_away)]
    {
        out.sample(names::GPU_BATCHES.0, &[("gpu", gpu), ("result", result)], count as f64);
    }
    out.family(names::GPU_ROWS.0, names::GPU_ROWS.1, Kind::Counter);
    out.sample(names::GPU_ROWS.0, &[("gpu", gpu)], counts.rows as f64);
    out.family(names::GPU_MEMORY.0, names::GPU_MEMORY.1, Kind::Gauge);
    for (what, bytes) in [("held", readings.held_bytes), ("total", readings.memory_bytes)] {
        out.sample(names::GPU_MEMORY.0, &[("gpu", gpu), ("what", what)], bytes as f64);
    }
}
