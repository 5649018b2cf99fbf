//! Every setting of `serve`, once.

use crate::engine::device::UnknownWish;
use crate::json::NonFinite;
use crate::sync::cores;
use crate::{batcher, front, registry, router, text};
use front::admin::TokenFile;
use registry::Control;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Most nesting that can be allowed: reading recurses, and a thread's stack has an end.
const DEEPEST: usize = 512;

/// Heads need some room: a browser's are a few hundred bytes, a mesh's a few thousand.
const SMALLEST_HEAD: usize = 4096;

const MODEL_CONTROL: &str = "follow the directories, load only what is asked for on the admin port, or load once";

const METRICS_COMPAT: &str = "show metrics under Triton's names too";
const JSON_NAN: &str =
    "write NaN and infinities as the tokens of Triton and TF Serving, or as null, which strict readers take";
const GRPC_OUTPUTS: &str = "answer typed requests typed and raw ones raw, or all raw as Triton does";

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    Auto,
    Human,
    Json,
}

/// The checked settings of a server.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    /// Holds the token that control needs.
    pub admin_token_file: Option<PathBuf>,
    pub threads: usize,
    pub drain_delay: Duration,
    pub grace: Duration,
    pub log_format: LogFormat,
    pub log: String,
    /// Where the server keeps what must outlive it.
    pub state: PathBuf,
    /// What may wait over all models.
    pub queued: batcher::Limits,
    pub front: front::Settings,
    pub registry: registry::Settings,
    pub traffic: router::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            admin_token_file: None,
            threads: cores::usable(),
            drain_delay: Duration::ZERO,
            grace: Duration::from_secs(30),
            log_format: LogFormat::Auto,
            log: "info".to_owned(),
            state: PathBuf::from("state"),
            queued: batcher::Limits::default(),
            front: front::Settings::default(),
            registry: registry::Settings::default(),
            traffic: router::Settings::default(),
        }
    }
}

/// One setting.
pub struct Key {
    /// Its flag without the dashes, and its key in the file.
    pub name: &'static str,
    /// What stands for its value in the help.
    pub value: &'static str,
    pub default: &'static str,
    pub help: &'static str,
    /// Whether it may be given several times (in the environment: separated by commas).
    pub many: bool,
    /// Whether a file may set it.
    pub in_file: bool,
    pub set: fn(&mut Config, &[String]) -> Result<(), String>,
}

impl Key {
    /// The environment variable: `--admin-listen` is `TIDEGATE_ADMIN_LISTEN`.
    pub fn variable(&self) -> String {
        format!("TIDEGATE_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

const fn key(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
    set: fn(&mut Config, &[String]) -> Result<(), String>,
) -> Key {
    Key { name, value, default, help, many: false, in_file: true, set }
}

/// The table.
pub const KEYS: &[Key] = &[
    Key { in_file: false, ..key("config", "FILE", "", "read settings from this TOML file", |_, _| Ok(())) },
    Key {
        many: true,
        ..key(
            "models",
            "PATH",
            "models",
            "model files, model directories, or directories of models",
            |config, texts| {
                config.registry.paths = texts.iter().map(PathBuf::from).collect();
                Ok(())
            },
        )
    },
    key("listen", "ADDR", "127.0.0.1:8080", "data port: predictions over HTTP/1.1 and HTTP/2", |config, texts| {
        put(&mut config.listen, address(texts))
    }),
    key("admin-listen", "ADDR", "127.0.0.1:9090", "admin port: metrics, probes, models", |config, texts| {
        put(&mut config.admin_listen, address(texts))
    }),
    key(
        "admin-token-file",
        "FILE",
        "",
        "token that every request under /api needs, and control off loopback",
        |config, texts| {
            let path = PathBuf::from(one(texts));
            // Read here to report it beside other mistakes; the server reads it again at its start.
            put(&mut config.admin_token_file, TokenFile::open(&path).map(|_| Some(path)))
        },
    ),
    key(
        "threads",
        "N",
        "one per core that may be used",
        "I/O threads, and as many compute threads",
        |config, texts| {
            put(&mut config.threads, at_least_one(texts))?;
            config.registry.sessions = 2 * config.threads;
            config.registry.batching.instances = config.threads;
            Ok(())
        },
    ),
    key("default-model", "NAME", "the only one", "model for requests that name none", |config, texts| {
        put(&mut config.front.default_model, Ok(Some(one(texts).to_owned())))
    }),
    Key {
        many: true,
        ..key("required", "NAME", "none", "model without which the server is not ready", |config, texts| {
            config.registry.required = texts.to_vec();
            Ok(())
        })
    },
    key("model-control", "poll|explicit|none", "poll", MODEL_CONTROL, |config, texts| {
        put(
            &mut config.registry.control,
            match one(texts) {
                "poll" => Ok(Control::Poll),
                "explicit" => Ok(Control::Explicit),
                "none" => Ok(Control::None),
                other => Err(format!("expected poll, explicit or none, got '{other}'")),
            },
        )?;
        config.front.control = config.registry.control == Control::Explicit;
        Ok(())
    }),
    key("settle", "TIME", "200ms", "how long files must be quiet before they are read", |config, texts| {
        put(&mut config.registry.settle, text::duration(one(texts)))
    }),
    key("cache-dir", "DIR", "", "keep prepared tree models in this private directory", |config, texts| {
        config.registry.cache.directory = Some(PathBuf::from(one(texts)));
        Ok(())
    }),
    key("device", "DEVICE", "auto", "auto (a GPU where there is one), cpu, cuda, or cuda:NUMBER", |config, texts| {
        put(&mut config.registry.device.wish, one(texts).parse().map_err(words))
    }),
    key("gpu", "USE", "optional", "required: do not start without a GPU", |config, texts| {
        put(&mut config.registry.device.required, one(texts).parse().map_err(words))
    }),
    key(
        "gpu-lost",
        "ACTION",
        "degrade",
        "when the GPU fails: degrade (the CPU takes over) or exit (stop in order, to be started anew)",
        |config, texts| put(&mut config.registry.device.on_loss, one(texts).parse().map_err(words)),
    ),
    key(
        "gpu-watchdog",
        "TIME",
        "500ms",
        "how long a batch may take on the GPU before it is given up",
        |config, texts| put(&mut config.registry.device.watchdog, text::duration(one(texts))),
    ),
    key(
        "cache-bytes",
        "SIZE",
        "1GiB",
        "bytes that the cache may hold; what was used longest ago goes",
        |config, texts| put(&mut config.registry.cache.bytes, text::size(one(texts))),
    ),
    key(
        "state",
        "DIR",
        "state",
        "directory for what must outlive the server: traffic plans, the audit log, what monitoring has seen",
        |config, texts| {
            config.state = PathBuf::from(one(texts));
            config.traffic.state = Some(config.state.clone());
            Ok(())
        },
    ),
    key(
        "traffic-file",
        "FILE",
        "",
        "take aliases and traffic plans from this file, and from nowhere else",
        |config, texts| {
            config.traffic.file = Some(PathBuf::from(one(texts)));
            Ok(())
        },
    ),
    key("monitor", "on|off", "on", "watch inputs and predictions of the models for drift", |config, texts| {
        put(
            &mut config.registry.monitor.enabled,
            match one(texts) {
                "on" => Ok(true),
                "off" => Ok(false),
                other => Err(format!("expected on or off, got '{other}'")),
            },
        )
    }),
    key(
        "monitor-pane",
        "TIME",
        "60s",
        "the shortest window that monitoring can tell from the next",
        |config, texts| {
            let pane = text::duration(one(texts)).and_then(|pane| match pane.as_millis() {
                100..=60_000 => Ok(pane),
                _ => Err(format!("expected 100ms to 60s, got {}", humantime::format_duration(pane))),
            });
            put(&mut config.registry.monitor.pane, pane)
        },
    ),
    key("monitor-series", "N", "5000", "series of single features that metrics may show", |config, texts| {
        put(&mut config.registry.monitor.series, at_least_one(texts))
    }),
    key("drain-delay", "TIME", "0s", "after SIGTERM, serve on this long while not ready", |config, texts| {
        put(&mut config.drain_delay, text::duration(one(texts)))
    }),
    key("grace", "TIME", "30s", "time to finish open requests before giving up on them", |config, texts| {
        put(&mut config.grace, text::duration(one(texts)))
    }),
    key("max-queued-rows", "N", "65536", "rows that may wait in the whole process", |config, texts| {
        put(&mut config.queued.rows, at_least_one(texts))
    }),
    key("max-queued-bytes", "SIZE", "256MiB", "bytes of input that may wait in the whole process", |config, texts| {
        put(&mut config.queued.bytes, text::size(one(texts)))
    }),
    key("max-body", "SIZE", "64MiB", "largest request body", |config, texts| {
        put(&mut config.front.max_body, text::size(one(texts)))
    }),
    key("max-json-depth", "N", "64", "deepest nesting of a JSON body", |config, texts| {
        let depth = at_least_one(texts).and_then(|depth| match depth {
            0..=DEEPEST => Ok(depth),
            _ => Err(format!("expected at most {DEEPEST}, got {depth}: each level takes stack")),
        });
        put(&mut config.front.max_json_depth, depth)
    }),
    key("metrics-compat", "none|triton", "none", METRICS_COMPAT, |config, texts| {
        put(
            &mut config.front.triton_metrics,
            match one(texts) {
                "none" => Ok(false),
                "triton" => Ok(true),
                other => Err(format!("expected none or triton, got '{other}'")),
            },
        )
    }),
    key("grpc-outputs", "mirror|raw", "mirror", GRPC_OUTPUTS, |config, texts| {
        put(
            &mut config.front.grpc_always_raw,
            match one(texts) {
                "mirror" => Ok(false),
                "raw" => Ok(true),
                other => Err(format!("expected mirror or raw, got '{other}'")),
            },
        )
    }),
    key("json-nan", "token|null", "token", JSON_NAN, |config, texts| {
        put(
            &mut config.front.non_finite,
            match one(texts) {
                "token" => Ok(NonFinite::Token),
                "null" => Ok(NonFinite::Null),
                other => Err(format!("expected token or null, got '{other}'")),
            },
        )
    }),
    key("max-connections", "N", "10000", "open connections per port", |config, texts| {
        put(&mut config.front.limits.connections, at_least_one(texts))
    }),
    key("max-header-bytes", "SIZE", "64KiB", "largest request head", |config, texts| {
        let size = text::size(one(texts)).and_then(|size| match size {
            SMALLEST_HEAD.. => Ok(size),
            _ => Err(format!("expected at least {SMALLEST_HEAD} bytes, got {size}")),
        });
        put(&mut config.front.limits.header_bytes, size)
    }),
    key("header-timeout", "TIME", "10s", "time a request's head may take", |config, texts| {
        put(&mut config.front.limits.header_time, text::duration(one(texts)))
    }),
    key("body-timeout", "TIME", "30s", "time a request's body may take", |config, texts| {
        put(&mut config.front.body_time, text::duration(one(texts)))
    }),
    key("idle-timeout", "TIME", "75s", "time a connection may stay open without a request", |config, texts| {
        put(&mut config.front.limits.idle_time, text::duration(one(texts)))
    }),
    key("log-format", "auto|human|json", "auto", "auto: human on a terminal, JSON otherwise", |config, texts| {
        put(
            &mut config.log_format,
            match one(texts) {
                "auto" => Ok(LogFormat::Auto),
                "human" => Ok(LogFormat::Human),
                "json" => Ok(LogFormat::Json),
                other => Err(format!("expected auto, human or json, got '{other}'")),
            },
        )
    }),
    key("log", "FILTER", "info", "what is logged, for example debug or tidegate::registry=debug", |config, texts| {
        let filter = one(texts);
        let checked = tracing_subscriber::EnvFilter::try_new(filter);
        put(&mut config.log, checked.map(|_| filter.to_owned()).map_err(|error| error.to_string()))
    }),
];

fn put<T>(into: &mut T, value: Result<T, String>) -> Result<(), String> {
    *into = value?;
    Ok(())
}

fn words(error: UnknownWish) -> String {
    error.to_string()
}

/// The last text given; a setting that was given has one.
fn one(texts: &[String]) -> &str {
    texts.last().map_or("", String::as_str)
}

fn address(texts: &[String]) -> Result<SocketAddr, String> {
    let text = one(texts);
    text.parse().map_err(|_| format!("expected an address such as 127.0.0.1:8080, got '{text}'"))
}

fn at_least_one(texts: &[String]) -> Result<usize, String> {
    let text = one(texts);
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("expected a whole number above 0, got '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_the_true_defaults() {
        let plain = Config::default();
        for key in
            KEYS.iter().filter(|key| !key.default.is_empty() && !key.default.contains(' ') && key.default != "none")
        {
            let mut set = Config::default();
            (key.set)(&mut set, &[key.default.to_owned()]).unwrap_or_else(|words| panic!("{}: {words}", key.name));
            assert_eq!(format!("{set:?}"), format!("{plain:?}"), "{}", key.name);
        }
    }

    #[test]
    fn names_are_unique() {
        for (at, key) in KEYS.iter().enumerate() {
            assert_eq!(KEYS.iter().position(|other| other.name == key.name), Some(at));
        }
    }
}
