//! The whole process: builds every part, binds the sockets, and owns the order of start and stop.
//!
//! Its life is four steps, each a type or a call of its own: [`App::bind`] has the sockets but
//! serves nothing, [`App::start`] loads and serves, [`Running::stop`] drains, and then it is gone.

use crate::batcher::Pool;
use crate::config::Config;
use crate::front::admin::{Access, Admin, Facts, TokenFile};
use crate::front::{Front, Limits, Listener, serve_connections};
use crate::metrics::{names, process};
use crate::registry::{LOADER_THREADS, Registry};
use crate::router::{Director, Prepared};
use crate::sync::cores::Cores;
use crate::sync::{Lifecycle, Phase};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

/// How often the metrics recorder folds its samples.
const UPKEEP: Duration = Duration::from_secs(5);

/// How long the admin port may take to finish its answers.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// What can keep a server from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("--admin-token-file: {0}")]
    Token(String),
    /// Neither the state nor the file of plans may be passed over.
    #[error("traffic plans: {0}")]
    Traffic(String),
}

/// Bound sockets and checked settings.
pub struct App {
    config: Config,
    data: Listener,
    admin: Listener,
}

impl App {
    /// Binds both ports.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        let data = Listener::bind(config.listen)?;
        let admin = Listener::bind(config.admin_listen)?;
        Ok(Self { config, data, admin })
    }

    /// Starts loading and serving. Probes answer at once, predictions as soon as their model is there.
    pub fn start(self) -> Result<Running, StartError> {
        process::install();
        let (address, admin_address) = (self.data.address()?, self.admin.address()?);
        let token =
            self.config.admin_token_file.as_deref().map(TokenFile::open).transpose().map_err(StartError::Token)?;
        let access = Access::new(token, admin_address);
        let life = Arc::new(Lifecycle::default());
        let pool = Arc::new(Pool::with_limits(self.config.threads, self.config.queued)?);
        let plans = Prepared::read(self.config.traffic.clone()).map_err(StartError::Traffic)?;
        let mut settings = self.config.registry.clone();
        settings.monitor.directory.get_or_insert_with(|| self.config.state.join("monitor"));
        let registry = Arc::new(Registry::start_with(settings, &pool, plans.directives())?);
        let director = Arc::new(Director::start(plans, &registry)?);
        let (stop_data, data_stopped) = watch::channel(false);
        let (stop_admin, admin_stopped) = watch::channel(false);
        let limits = self.config.front.limits.clone();
        let cores = Cores::found();
        log_threads(self.config.threads, &cores);
        let facts = Facts { threads: self.config.threads, cores: cores.clone(), settings: self.config.front.clone() };
        let admin = Admin::new(registry.clone(), director.clone(), life.clone(), access, facts);
        let admin = start_admin(self.admin, admin, limits, admin_stopped)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(self.config.threads)
            .thread_name("io")
            .enable_io()
            .enable_time()
            .build()?;
        let front = Arc::new(Front::new(registry.clone(), self.config.front.clone(), life.clone()));
        let accepted = process::counter(names::CONNECTIONS, "port", "data");
        let answer = move |request| front.clone().answer(request);
        let data = runtime.spawn(serve_connections(
            self.data,
            answer,
            self.config.front.limits.clone(),
            data_stopped,
            accepted,
        ));
        life.enter(Phase::Serving);
        Ok(Running {
            config: self.config,
            cores,
            address,
            admin_address,
            life,
            pool,
            registry,
            director,
            runtime,
            data,
            admin,
            stop_data,
            stop_admin,
        })
    }
}

fn log_threads(threads: usize, cores: &Cores) {
    let Cores { usable, allowed, quota } = cores;
    let limited_by = cores.limited_by();
    tracing::info!(
        io = threads,
        compute = threads,
        loaders = LOADER_THREADS,
        cores = usable,
        cores_allowed = allowed,
        cores_quota = quota,
        limited_by,
        "threads"
    );
}

/// The admin port on its own thread and runtime: it answers while the data path is saturated.
fn start_admin(
    listener: Listener,
    admin: Admin,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let admin = Arc::new(admin);
    let accepted = process::counter(names::CONNECTIONS, "port", "admin");
    let answer = move |request| admin.clone().answer(request);
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        runtime.block_on(async {
            tokio::spawn(async {
                let mut ticks = tokio::time::interval(UPKEEP);
                loop {
                    ticks.tick().await;
                    process::upkeep();
                }
            });
            let mut over = stopped.clone();
            let patience = async {
                let _ = over.wait_for(|stopped| *stopped).await;
                tokio::time::sleep(ADMIN_GRACE).await;
            };
            tokio::select! {
                ended = serve_connections(listener, answer, limits, stopped, accepted) => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the admin port ended");
                    }
                }
                // A caller who does not read their answer does not keep the process alive.
                () = patience => tracing::debug!("admin connections were still open"),
            }
        });
    })
}

/// A serving process.
pub struct Running {
    config: Config,
    cores: Cores,
    address: SocketAddr,
    admin_address: SocketAddr,
    life: Arc<Lifecycle>,
    pool: Arc<Pool>,
    registry: Arc<Registry>,
    director: Arc<Director>,
    runtime: Runtime,
    data: Task<std::io::Result<()>>,
    admin: JoinHandle<()>,
    stop_data: watch::Sender<bool>,
    stop_admin: watch::Sender<bool>,
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every open request had its answer.
    Clean,
    /// The grace period ended first.
    Late,
}

impl Running {
    /// The data port's address, with the port that was chosen where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The threads that were started, and what they were counted by, in words.
    pub fn threads(&self) -> String {
        let (threads, cores) = (self.config.threads, &self.cores);
        let quota = cores.quota.map(|quota| format!("; CPU quota {quota}")).unwrap_or_default();
        let usable = cores.usable;
        format!("{threads} I/O, {threads} compute, {LOADER_THREADS} loaders; cores that may be used: {usable}{quota}")
    }

    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Runs a future on the server's runtime: waiting for a signal, say.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Stops in named phases: not ready, stop accepting, finish what is open, stop the lanes, stop
    /// the admin port. `delay` is how long to serve on while not ready.
    pub fn stop(self, delay: Duration) -> Stopped {
        let Self { config, life, pool, registry, director, runtime, data, admin, stop_data, stop_admin, .. } = self;
        let started = Instant::now();
        life.enter(Phase::Draining);
        tracing::info!(phase = "draining", delay_ms = delay.as_millis(), "not ready any more");
        runtime.block_on(async { tokio::time::sleep(delay).await });
        life.enter(Phase::Stopping);
        tracing::info!(phase = "stopping", "no new connections; finishing open requests");
        stop_data.send_replace(true);
        let finished = runtime.block_on(async { tokio::time::timeout(config.grace, data).await });
        if finished.is_err() {
            log_late(&registry);
        }
        director.stop();
        registry.stop();
        pool.stop();
        registry.device().close();
        runtime.shutdown_timeout(Duration::from_millis(100));
        stop_admin.send_replace(true);
        let _ = admin.join();
        tracing::info!(phase = "stopped", took_ms = started.elapsed().as_millis(), "done");
        if finished.is_ok() { Stopped::Clean } else { Stopped::Late }
    }

    /// How long to serve on after a polite request to stop.
    pub fn drain_delay(&self) -> Duration {
        self.config.drain_delay
    }
}

/// Names the models whose requests were not finished in time.
fn log_late(registry: &Registry) {
    for slot in registry.catalog().sorted() {
        for version in slot.serving.load().versions.values() {
            let (in_flight, queued_rows) = (version.stats.in_flight(), version.lane.queued_rows());
            if in_flight > 0 {
                tracing::warn!(model = %version.model, version = %version.number, in_flight, queued_rows, "late at the end of the grace period");
            }
        }
    }
}
