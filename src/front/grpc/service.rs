//! The inference service's methods.

use super::infer::{infer, named};
use super::proto::grpc_inference_service_server::GrpcInferenceService;
use super::proto::model_metadata_response::TensorMetadata;
use super::proto::*;
use super::status::status;
use super::stream::Answers;
use crate::engine::TensorSpec;
use crate::front::context::Context;
use crate::front::oip::{EXTENSIONS, platform, versions};
use crate::front::reply::{ApiError, Cause};
use crate::front::serve::Front;
use crate::front::triton;
use std::sync::Arc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

/// The methods, over what serves REST as well.
#[derive(Clone)]
pub struct Calls(pub Arc<Front>);

impl Calls {
    fn refuse(&self, error: &ApiError, context: &Context) -> Status {
        self.0.note(error, context);
        status(error, &context.ids)
    }

    /// Answers a question that needs no waiting.
    fn tell<Q, A>(
        &self,
        request: Request<Q>,
        answer: impl FnOnce(&Front, Q) -> Result<A, ApiError>,
    ) -> Result<Response<A>, Status> {
        let context = context(&request);
        let told = answer(&self.0, request.into_inner()).map_err(|error| self.refuse(&error, &context))?;
        let mut response = Response::new(told);
        response.disable_compression();
        Ok(response)
    }

    async fn control(&self, context: Context, done: impl Future<Output = Result<(), ApiError>>) -> Result<(), Status> {
        done.await.map_err(|error| self.refuse(&error, &context))
    }
}

/// What was noted when the head came in; the message has come in now.
fn context<Q>(request: &Request<Q>) -> Context {
    let noted = request.extensions().get::<Context>().cloned();
    let mut context = noted.unwrap_or_else(|| Context::new(request.metadata().as_ref()));
    context.message_is_here();
    context
}

/// Whether the caller packs its messages: only then are answers packed, though every client says it could read them.
fn is_packed(metadata: &MetadataMap) -> bool {
    metadata.get("grpc-encoding").is_some_and(|value| value != "identity")
}

#[tonic::async_trait]
impl GrpcInferenceService for Calls {
    type ModelStreamInferStream = Answers;

    async fn server_live(&self, request: Request<ServerLiveRequest>) -> Result<Response<ServerLiveResponse>, Status> {
        self.tell(request, |_, _| Ok(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        request: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        self.tell(request, |front, _| Ok(ServerReadyResponse { ready: front.is_ready() }))
    }

    async fn model_ready(&self, request: Request<ModelReadyRequest>) -> Result<Response<ModelReadyResponse>, Status> {
        self.tell(request, |front, asked| match front.choose(&named(&asked.name, &asked.version)) {
            Ok(_) => Ok(ModelReadyResponse { ready: true }),
            // As in Triton: a model that is not there is not ready, and its client wants to hear just that.
            Err(error) if matches!(error.cause, Cause::NotReady | Cause::NotFound) => {
                Ok(ModelReadyResponse { ready: false })
            }
            Err(error) => Err(error),
        })
    }

    async fn server_metadata(
        &self,
        request: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        self.tell(request, |_, _| {
            Ok(ServerMetadataResponse {
                name: "tidegate".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                extensions: EXTENSIONS.map(str::to_owned).to_vec(),
            })
        })
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        self.tell(request, |front, asked| {
            let version = front.choose(&named(&asked.name, &asked.version))?;
            let signature = version.signature();
            Ok(ModelMetadataResponse {
                name: version.model.as_str().to_owned(),
                versions: versions(&version, &front.registry.catalog()),
                platform: platform(&version),
                inputs: signature.inputs.iter().map(tensor).collect(),
                outputs: signature.outputs.iter().map(tensor).collect(),
            })
        })
    }

    async fn model_infer(&self, request: Request<ModelInferRequest>) -> Result<Response<ModelInferResponse>, Status> {
        let mut context = context(&request);
        let packed = is_packed(request.metadata());
        let (metadata, _, message) = request.into_parts();
        let inferred = infer(&self.0, &metadata.into_headers(), message, &mut context).await;
        let inferred = inferred.map_err(|error| self.refuse(&error, &context))?;
        let mut response = Response::new(inferred.message);
        *response.metadata_mut() = MetadataMap::from_headers(inferred.headers);
        if !packed {
            response.disable_compression();
        }
        Ok(response)
    }

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let context = context(&request);
        let packed = is_packed(request.metadata());
        let (metadata, _, requests) = request.into_parts();
        let mut response = Response::new(Answers::new(self.0.clone(), context, metadata.into_headers(), requests));
        if !packed {
            response.disable_compression();
        }
        Ok(response)
    }

    async fn model_config(
        &self,
        request: Request<ModelConfigRequest>,
    ) -> Result<Response<ModelConfigResponse>, Status> {
        self.tell(request, |front, asked| {
            let version = front.choose(&named(&asked.name, &asked.version))?;
            Ok(ModelConfigResponse { config: Some(triton::config(&version)) })
        })
    }

    async fn model_statistics(
        &self,
        request: Request<ModelStatisticsRequest>,
    ) -> Result<Response<ModelStatisticsResponse>, Status> {
        self.tell(request, |front, asked| {
            let model_stats = front.statistics(&named(&asked.name, &asked.version))?;
            Ok(ModelStatisticsResponse { model_stats })
        })
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        self.tell(request, |front, asked| {
            Ok(RepositoryIndexResponse { models: triton::index(&front.registry.catalog(), asked.ready) })
        })
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        let context = context(&request);
        let RepositoryModelLoadRequest { repository_name, model_name, parameters } = request.into_inner();
        let model_name = either(model_name, repository_name);
        let given = triton::Given::from_message(parameters);
        self.control(context, self.0.load_model(&model_name, given)).await?;
        Ok(Response::new(RepositoryModelLoadResponse { model_name, is_loaded: true }))
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        let context = context(&request);
        let RepositoryModelUnloadRequest { repository_name, model_name, .. } = request.into_inner();
        let model_name = either(model_name, repository_name);
        self.control(context, self.0.unload_model(&model_name)).await?;
        Ok(Response::new(RepositoryModelUnloadResponse { model_name, is_unloaded: true }))
    }
}

/// KServe's clients name the model where Triton's name the repository.
fn either(model: String, repository: String) -> String {
    if model.is_empty() { repository } else { model }
}

fn tensor(spec: &TensorSpec) -> TensorMetadata {
    TensorMetadata {
        name: spec.name.clone(),
        datatype: spec.dtype.name().to_owned(),
        shape: spec.dims.iter().map(crate::engine::Dim::as_i64).collect(),
    }
}
