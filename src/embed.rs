//! The embedding API: models, batching and hot swap in a program of one's own, with no socket.

use crate::batcher::{Answer, Pool, Rank};
use crate::registry::{Registry, Settings, Version};
use crate::router::{self, Call, Names, PredictError, RouteError};
use crate::tensor::Tensor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// Models loaded from files and followed while they change.
///
/// ```no_run
/// use tidegate::{Tidegate, tensor::Tensor};
///
/// let gate = Tidegate::open("models")?;
/// let row = Tensor::of([1, 10], vec![0.5f32; 10])?;
/// let answer = gate.predict("diabetes", vec![row])?;
/// println!("{:?}", answer.outputs[0].as_slice::<f32>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tidegate {
    registry: Registry,
    // Dropped behind the registry, whose loads use it.
    _pool: Arc<Pool>,
}

/// Why there is no gate.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("threads could not be started: {0}")]
    Threads(#[from] std::io::Error),
    #[error("{0}")]
    NotReady(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error(transparent)]
    Predict(#[from] PredictError),
}

impl Tidegate {
    /// Opens a model file, a model directory or a directory of models, and waits until all has been
    /// tried. Fails where nothing serves.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::with_settings(Settings { paths: vec![path.into()], ..Settings::default() })
    }

    /// The same with settings of one's own.
    pub fn with_settings(settings: Settings) -> Result<Self, OpenError> {
        let pool = Arc::new(Pool::new(settings.batching.instances)?);
        let registry = Registry::start(settings, &pool)?;
        registry.wait_until_tried();
        match registry.readiness().reason {
            None => Ok(Self { registry, _pool: pool }),
            Some(reason) => Err(OpenError::NotReady(reason)),
        }
    }

    /// The version that answers by default; a traffic plan is for callers of a server. Hold it to ask the same one several times; it stays whole
    /// however often the model is swapped meanwhile.
    pub fn version(&self, model: &str, version: Option<&str>) -> Result<Arc<Version>, RouteError> {
        let names = Names { model: Some(model), version, default_model: None };
        Ok(router::choose_without_plan(&self.registry.catalog(), names)?.version().clone())
    }

    /// Predicts on this thread or, where all workers are busy, in a batch with others.
    ///
    /// `inputs` are in the order of the model's signature, rows on axis 0; so are the outputs.
    pub fn predict(&self, model: &str, inputs: Vec<Tensor>) -> Result<Answer, EmbedError> {
        let version = self.version(model, None)?;
        let id = Uuid::now_v7();
        let (answer, _) = router::predict_blocking(&version, inputs, call(&version, &id))?;
        Ok(answer)
    }

    /// The same for asynchronous programs; needs a tokio runtime with its timer. Dropping the
    /// future withdraws the request.
    pub async fn predict_async(&self, model: &str, inputs: Vec<Tensor>) -> Result<Answer, EmbedError> {
        let names = Names { model: Some(model), ..Names::default() };
        let routed = router::choose_without_plan(&self.registry.catalog(), names)?;
        let id = Uuid::now_v7();
        let (answer, _) = router::predict(&routed, inputs, call(&routed, &id)).await?;
        Ok(answer)
    }

    /// The registry behind it: states, reasons, metrics.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

fn call<'a>(version: &Version, id: &'a Uuid) -> Call<'a> {
    let received = Instant::now();
    let deadline = received + version.lane.settings().deadline;
    Call { id: id.as_bytes(), received, deadline, rank: Rank::default() }
}
