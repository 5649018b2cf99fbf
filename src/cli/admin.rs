//! `tidegate models`, `load` and `unload`: the admin port of a running server from a shell.

use super::http::{Ask, Target, send};
use super::table::{or_dash, table};
use super::{FAILURE, USAGE};
use bytesize::ByteSize;
use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// Longer than the server waits for a model before it tells how things stand.
const PATIENCE: Duration = Duration::from_secs(60);
/// The index of more models than one server holds.
const MOST: u64 = 64 << 20;
/// Where `serve` has its admin port unless it is told otherwise.
const PORT: u16 = 9090;

/// `tidegate models`.
pub fn models_command() -> Command {
    shared(Command::new("models").about("Show the models of a running server, and the state of each version"))
}

/// `tidegate load` or `tidegate unload`.
pub fn control_command(name: &'static str, about: &'static str, version: &'static str) -> Command {
    let command = Command::new(name)
        .about(about)
        .arg(Arg::new("name").value_name("NAME").required(true).help("the model"))
        .arg(Arg::new("version").value_name("VERSION").help(version));
    shared(command)
}

pub(super) fn shared(command: Command) -> Command {
    let url = Arg::new("admin").long("admin").value_name("URL").default_value("http://127.0.0.1:9090");
    let token = Arg::new("token-file").long("token-file").value_name("FILE");
    command
        .arg(url.env("TIDEGATE_ADMIN").hide_env_values(true).help("the server's admin port"))
        .arg(token.env("TIDEGATE_TOKEN_FILE").help("holds the token of the server's --admin-token-file"))
}

pub fn models(arguments: &ArgMatches) -> ExitCode {
    ended(Server::of(arguments).and_then(|server| server.get("/api/models")), |answer| {
        let models = answer["models"].as_array().map_or(&[][..], Vec::as_slice);
        print(&models.iter().flat_map(rows).collect::<Vec<_>>());
        ExitCode::SUCCESS
    })
}

/// Loads or unloads, by the command's name.
pub fn control(verb: &str, arguments: &ArgMatches) -> ExitCode {
    let text = |id| arguments.get_one::<String>(id).map_or("", String::as_str);
    let body = arguments.get_one::<String>("version").map(|version| json!({"version": version}));
    let path = format!("/api/models/{}/{verb}", encoded(text("name")));
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    ended(Server::of(arguments).and_then(|server| server.post(&path, &body)), |answer| {
        let named = json!({"name": text("name"), "versions": answer["versions"]});
        print(&rows(&named));
        if answer["done"] == true {
            return ExitCode::SUCCESS;
        }
        eprintln!("tidegate: this is not done yet; `tidegate models` shows how it goes on");
        ExitCode::from(FAILURE)
    })
}

/// Why there is no answer to show.
pub(super) enum Fault {
    /// The command line is wrong.
    Usage(String),
    Failed(String),
}

pub(super) fn ended(answer: Result<Value, Fault>, show: impl FnOnce(Value) -> ExitCode) -> ExitCode {
    let (words, code) = match answer {
        Ok(answer) => return show(answer),
        Err(Fault::Usage(words)) => (words, USAGE),
        Err(Fault::Failed(words)) => (words, FAILURE),
    };
    eprintln!("tidegate: {words}");
    ExitCode::from(code)
}

/// A running server's admin port.
pub(super) struct Server {
    url: String,
    target: Target,
    token: Option<String>,
}

impl Server {
    pub(super) fn of(arguments: &ArgMatches) -> Result<Self, Fault> {
        let url = arguments.get_one::<String>("admin").cloned().unwrap_or_default();
        let wrong = || Fault::Usage(format!("--admin: expected http://HOST:PORT, got '{url}'"));
        let target = admin_port(&url).ok_or_else(wrong)?;
        let token = arguments.get_one::<String>("token-file").map(|path| token(path)).transpose()?;
        Ok(Self { url, target, token })
    }

    /// Another server's admin port, with the same token.
    pub(super) fn at(&self, url: &str) -> Result<Self, Fault> {
        let wrong = || Fault::Usage(format!("expected http://HOST:PORT, got '{url}'"));
        let target = admin_port(url).ok_or_else(wrong)?;
        Ok(Self { url: url.to_owned(), target, token: self.token.clone() })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Fault> {
        self.ask("GET", path, "", None)
    }

    fn post(&self, path: &str, body: &str) -> Result<Value, Fault> {
        self.ask("POST", path, body, None)
    }

    pub(super) fn ask(&self, method: &str, path: &str, body: &str, if_match: Option<&str>) -> Result<Value, Fault> {
        let target = Target { path: path.to_owned(), ..self.target.clone() };
        let ask = Ask { method, token: self.token.as_deref(), if_match, body, patience: PATIENCE, most: MOST };
        let url = &self.url;
        let (status, answer) = send(&target, &ask).map_err(|error| {
            Fault::Failed(format!("{url}: {error}; is a server running with its admin port there?"))
        })?;
        let told: Option<Value> = serde_json::from_str(&answer).ok();
        match (status, told) {
            (200 | 202, Some(answer)) => Ok(answer),
            (_, Some(answer)) if answer["error"].is_string() => {
                Err(Fault::Failed(answer["error"].as_str().unwrap_or_default().to_owned()))
            }
            _ => Err(Fault::Failed(format!("{url} answered {status}, which is not an admin port's answer"))),
        }
    }
}

fn admin_port(url: &str) -> Option<Target> {
    Target::read(url, PORT, "").filter(|target| target.path.is_empty())
}

fn token(path: &str) -> Result<String, Fault> {
    let text = std::fs::read_to_string(path).map_err(|error| Fault::Usage(format!("--token-file: {path}: {error}")))?;
    let token = text.trim();
    // Anything else would not pass through a header.
    let good = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| token.to_owned())
        .ok_or_else(|| Fault::Usage(format!("--token-file: {path}: expected one word of visible ASCII letters")))
}

/// A path's part with everything that means something in a URL spelled out.
pub(super) fn encoded(name: &str) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(letter).collect()
}

type Row = [String; 7];

fn print(rows: &[Row]) {
    let head = ["MODEL", "VERSION", "NAMES", "STATE", "ENGINE", "MEMORY", "REASON"].map(str::to_owned);
    let text = table(&[&[head], rows].concat());
    super::say!("{}", text.trim_end());
}

/// A model of the index: a line for each version, and one for what is wrong with it as a whole.
fn rows(model: &Value) -> Vec<Row> {
    let name = text(model, "name");
    let versions = model["versions"].as_array().map_or(&[][..], Vec::as_slice);
    let mut rows: Vec<Row> = versions.iter().map(|line| row(model, line)).collect();
    if let Some(problem) = model["problem"].as_str() {
        let dash = || "-".to_owned();
        rows.push([name.to_owned(), dash(), dash(), "failed".into(), dash(), dash(), problem.to_owned()]);
    }
    rows
}

fn row(model: &Value, line: &Value) -> Row {
    let version = text(line, "version");
    let aliases = model["aliases"].as_object().into_iter().flatten();
    let mut names: Vec<&str> = aliases.filter(|(_, to)| *to == version).map(|(alias, _)| alias.as_str()).collect();
    if model["default"] == version {
        names.push("default");
    }
    let memory = line["memory_bytes"].as_u64().filter(|bytes| *bytes > 0);
    let reason = if text(line, "reason").is_empty() { text(line, "engine_reason") } else { text(line, "reason") };
    [
        text(model, "name").to_owned(),
        version.to_owned(),
        or_dash(&names.join(",")),
        text(line, "state").to_owned(),
        or_dash(text(line, "engine")),
        or_dash(&memory.map(|bytes| ByteSize(bytes).to_string()).unwrap_or_default()),
        reason.to_owned(),
    ]
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_the_path() {
        assert_eq!(encoded("churn-2.x"), "churn-2.x");
        assert_eq!(encoded("../x y\r\n"), "..%2Fx%20y%0D%0A");
    }

    #[test]
    fn a_version_shows_all_its_names() {
        let model = json!({"name": "m", "aliases": {"champion": "1", "old": "1"}, "default": "1", "problem": "p",
            "versions": [{"version": "1", "state": "ready", "engine": "tract", "memory_bytes": 2048, "engine_reason": "why"}]});
        let rows = rows(&model);
        assert_eq!(rows[0], ["m", "1", "champion,old,default", "ready", "tract", "2.0 KiB", "why"].map(str::to_owned));
        assert_eq!(rows[1][6], "p");
    }
}
