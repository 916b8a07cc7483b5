//! Containers of one run of the lab: the engine, images cached by their content, networks, containers.
//!
//! Podman (with runc) or Docker, whichever works here; rootful, because tests reach the containers by their
//! addresses. Nothing is privileged. Whatever is started carries the run's label, is removed by `Drop`, by a small
//! process that outlives a killed run ([`run`]), and, should that be killed too, by the next run.

pub mod engine;
pub mod frozen;
pub mod image;
pub mod network;
pub mod run;

mod spec;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

pub use engine::{ContainerError, Engine};
pub use image::{Image, ImageSource};
pub use network::Network;
pub use run::Run;
pub use spec::ContainerSpec;

use crate::process::Finished;
use crate::wait;

/// How long a command inside a container may take where nothing else is said.
const EXEC_LIMIT: Duration = Duration::from_secs(180);

/// Takes all input before the command begins. Podman 4.3 loses what a command writes around the end of its input, more often
/// than not.
const TAKE_INPUT: &str = r#"file=$(mktemp); cat >"$file"; exec 0<"$file"; rm "$file"; exec "$@""#;

/// A container that was started; it is removed on drop.
#[derive(Debug)]
pub struct Container {
    engine: &'static Engine,
    name: String,
    address: Ipv4Addr,
}

impl Container {
    /// Its name at the engine: unique on this machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its fixed address on the run's network.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Runs a command inside and returns what it left, whatever its exit code.
    ///
    /// # Errors
    /// Where the engine cannot run it at all, or it takes over three minutes.
    pub fn exec(&self, command: &[&str]) -> Result<Finished, ContainerError> {
        self.exec_with(command, &[], b"")
    }

    /// Like [`Container::exec`], with environment variables and octets for standard input.
    ///
    /// # Errors
    /// As for [`Container::exec`].
    pub fn exec_with(
        &self,
        command: &[&str],
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Result<Finished, ContainerError> {
        let mut arguments = vec!["exec".to_owned()];
        if !input.is_empty() {
            arguments.push("--interactive".to_owned());
        }
        for (key, value) in environment {
            arguments.extend(["--env".to_owned(), format!("{key}={value}")]);
        }
        arguments.push(self.name.clone());
        if !input.is_empty() {
            arguments.extend(["sh", "-c", TAKE_INPUT, "sh"].map(str::to_owned));
        }
        arguments.extend(command.iter().map(|&word| word.to_owned()));
        self.engine.attempt(&arguments, input, EXEC_LIMIT)
    }

    /// Runs a command inside that must succeed; returns its standard output as text.
    ///
    /// # Errors
    /// Also where its exit code is not 0.
    pub fn run(&self, command: &[&str]) -> Result<String, ContainerError> {
        let finished = self.exec(command)?;
        if finished.succeeded() {
            return Ok(finished.text());
        }
        Err(ContainerError::failed(&command.join(" "), &finished))
    }

    /// Starts a command inside that goes on by itself (a server, a display); its output goes to the file given.
    ///
    /// # Errors
    /// Where the engine cannot start it.
    pub fn spawn(&self, command: &str, log: &str) -> Result<(), ContainerError> {
        let script = format!("exec {command} >{log} 2>&1");
        self.engine.run(&["exec", "--detach", &self.name, "sh", "-c", &script]).map(drop)
    }

    /// Reads a file of the container.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, ContainerError> {
        let finished = self.exec(&["cat", path])?;
        if finished.succeeded() { Ok(finished.stdout) } else { Err(ContainerError::failed(path, &finished)) }
    }

    /// Writes a file of the running container, with its mode (`"600"`); folders are made.
    ///
    /// # Errors
    /// Where the path cannot be written.
    pub fn write(&self, path: &str, octets: &[u8], mode: &str) -> Result<(), ContainerError> {
        let script = r#"umask 077; mkdir -p "$(dirname "$0")" && cat >"$0" && chmod "$1" "$0""#;
        let finished = self.exec_with(&["sh", "-c", script, path, mode], &[], octets)?;
        if finished.succeeded() { Ok(()) } else { Err(ContainerError::failed(path, &finished)) }
    }

    /// Copies a folder's contents from the host into a folder of the container.
    ///
    /// # Errors
    /// Where either is missing.
    pub fn copy_in(&self, from: &Path, to: &str) -> Result<(), ContainerError> {
        let from = format!("{}/.", from.display());
        self.engine.run(&["cp", &from, &format!("{}:{to}", self.name)]).map(drop)
    }

    /// Everything the container's main process wrote, for a failed test's report.
    #[must_use]
    pub fn log(&self) -> String {
        match self.engine.attempt(&["logs", &self.name], b"", EXEC_LIMIT) {
            Ok(finished) => finished.text() + &finished.error_text(),
            Err(error) => error.to_string(),
        }
    }

    /// Freezes all its processes: it neither answers nor refuses, as an overloaded or partitioned host.
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn pause(&self) -> Result<(), ContainerError> {
        self.engine.run(&["pause", &self.name]).map(drop)
    }

    /// Ends [`Container::pause`].
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn unpause(&self) -> Result<(), ContainerError> {
        self.engine.run(&["unpause", &self.name]).map(drop)
    }

    /// Stops its processes; its files and its address stay.
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn stop(&self) -> Result<(), ContainerError> {
        self.engine.run(&["stop", "--time", "1", &self.name]).map(drop)
    }

    /// Ends its processes at once, without a word to anyone.
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn kill(&self) -> Result<(), ContainerError> {
        self.engine.run(&["kill", &self.name]).map(drop)
    }

    /// Starts it again after [`Container::stop`] or [`Container::kill`].
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn start(&self) -> Result<(), ContainerError> {
        self.engine.run(&["start", &self.name]).map(drop)
    }

    /// Waits until it accepts TCP connections on a port.
    ///
    /// # Errors
    /// With the container's log where it does not within `limit`.
    pub fn wait_for_port(&self, port: u16, limit: Duration) -> Result<(), ContainerError> {
        let target = (self.address, port).into();
        let probe = || std::net::TcpStream::connect_timeout(&target, Duration::from_millis(500)).ok();
        wait::until(&format!("a listener on {target}"), limit, probe)
            .map(drop)
            .map_err(|source| ContainerError::NotReady { name: self.name.clone(), source, log: self.log() })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if Run::current().is_ok_and(Run::is_kept) {
            return;
        }
        // A removal that fails is made up for by the run's reaper.
        let mut removal = self.engine.command(&["rm", "--force", "--volumes", &self.name]);
        drop(removal.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}
