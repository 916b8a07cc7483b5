//! The container engine of this machine.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::{self, Finished, ProcessError};
use crate::wait::TimedOut;

/// How long one command of the engine may take where nothing else is said.
const LIMIT: Duration = Duration::from_secs(120);

/// The capability that lets a process raise its resource limits (bit 24 of the effective set).
const CAP_SYS_RESOURCE: u32 = 24;

/// Podman or Docker, whichever works here.
#[derive(Debug)]
pub struct Engine {
    kind: Kind,
    global: Vec<&'static str>,
    limits: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Podman,
    Docker,
}

/// Why a container, an image or a network could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Neither engine works.
    #[error(
        "no container engine works here; run integration/setup as root (podman: {podman}; docker: {docker})"
    )]
    NoEngine {
        /// Podman's complaint.
        podman: String,
        /// Docker's complaint.
        docker: String,
    },
    /// A command could not be run to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A command of the engine, or one inside a container, failed.
    #[error("`{command}` failed with {code:?}: {output}")]
    Failed {
        /// What was run.
        command: String,
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// The last lines of both outputs.
        output: String,
    },
    /// A container did not come up.
    #[error("container {name} is not ready: {source}\n{log}")]
    NotReady {
        /// Its name.
        name: String,
        /// What was waited for.
        source: TimedOut,
        /// What its main process wrote.
        log: String,
    },
    /// A file of the lab cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// Its path.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Every candidate subnet is taken.
    #[error("no free private subnet: {last}")]
    NoSubnet {
        /// What the engine said to the last one tried.
        last: String,
    },
}

impl ContainerError {
    /// The error of a command that ended with another code than 0.
    pub(crate) fn failed(command: &str, finished: &Finished) -> Self {
        let both = finished.text() + &finished.error_text();
        let lines: Vec<&str> = both.trim().lines().collect();
        let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
        Self::Failed { command: command.to_owned(), code: finished.code, output: tail.join("\n") }
    }
}

impl Engine {
    /// The engine of this machine; asked once.
    ///
    /// # Errors
    /// [`ContainerError::NoEngine`] with both engines' complaints.
    pub fn get() -> Result<&'static Self, ContainerError> {
        static ENGINE: OnceLock<Result<Engine, (String, String)>> = OnceLock::new();
        let found = ENGINE.get_or_init(|| {
            Self::podman().or_else(|podman| Self::docker().map_err(|docker| (podman, docker)))
        });
        found.as_ref().map_err(|(podman, docker)| ContainerError::NoEngine {
            podman: podman.clone(),
            docker: docker.clone(),
        })
    }

    /// Podman, rootful only: a rootless one's addresses cannot be reached from outside.
    fn podman() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("needs root".to_owned());
        }
        let global =
            if answers("runc", &["--version"]).is_ok() { vec!["--runtime", "runc"] } else { Vec::new() };
        answers("podman", &["info"])?;
        let limits = if may_raise_limits() {
            Vec::new()
        } else {
            vec!["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]
        };
        Ok(Self { kind: Kind::Podman, global, limits })
    }

    fn docker() -> Result<Self, String> {
        answers("docker", &["info"])?;
        Ok(Self { kind: Kind::Docker, global: Vec::new(), limits: Vec::new() })
    }

    /// The engine's program.
    #[must_use]
    pub fn program(&self) -> &'static str {
        match self.kind {
            Kind::Podman => "podman",
            Kind::Docker => "docker",
        }
    }

    /// A command line for a person or a shell script: the program and the options every call carries.
    #[must_use]
    pub fn command_line(&self) -> String {
        [&[self.program()], self.global.as_slice()].concat().join(" ")
    }

    /// Options that `run`, `create` and `build` need here.
    pub(crate) fn limits(&self) -> &[&'static str] {
        &self.limits
    }

    /// A command of the engine, not started.
    pub(crate) fn command(&self, arguments: &[impl AsRef<str>]) -> Command {
        let mut command = Command::new(self.program());
        command.args(&self.global).args(arguments.iter().map(AsRef::as_ref));
        command
    }

    /// Runs a command of the engine whose failure is an answer.
    pub(crate) fn attempt(
        &self,
        arguments: &[impl AsRef<str>],
        input: &[u8],
        limit: Duration,
    ) -> Result<Finished, ContainerError> {
        Ok(process::run(self.command(arguments), input, limit)?)
    }

    /// Runs a command of the engine that must succeed; returns its standard output.
    pub(crate) fn run(&self, arguments: &[impl AsRef<str>]) -> Result<String, ContainerError> {
        self.run_within(arguments, LIMIT)
    }

    /// Like [`Engine::run`], with a deadline.
    pub(crate) fn run_within(
        &self,
        arguments: &[impl AsRef<str>],
        limit: Duration,
    ) -> Result<String, ContainerError> {
        let finished = self.attempt(arguments, b"", limit)?;
        if finished.succeeded() {
            return Ok(finished.text().trim().to_owned());
        }
        let words: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        Err(ContainerError::failed(&format!("{} {}", self.program(), words.join(" ")), &finished))
    }
}

fn answers(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let finished = process::run(command, b"", Duration::from_secs(30)).map_err(|error| error.to_string())?;
    let complaint = finished.error_text();
    if finished.succeeded() {
        Ok(())
    } else {
        Err(complaint.lines().next().unwrap_or("it failed").to_owned())
    }
}

/// Whether this process may raise resource limits: without that, the limits an engine sets by default are refused.
#[expect(clippy::disallowed_methods, reason = "the harness blocks, and /proc is no disk")]
fn may_raise_limits() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|hexadecimal| u64::from_str_radix(hexadecimal.trim(), 16).ok());
    set.is_some_and(|set| set >> CAP_SYS_RESOURCE & 1 == 1)
}
