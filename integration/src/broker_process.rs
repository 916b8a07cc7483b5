//! The real `kerbridge`, as a process of this machine at the lab network's own address, with a configuration made for the lab.

mod configuration;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::Value;

pub use configuration::Configuration;

use crate::lab::Lab;
use crate::pki::PkiError;
use crate::process::{self, Finished, ProcessError};
use crate::samba_ad::DomainError;
use crate::wait::{self, TimedOut};

/// It listens within a second; a loaded machine may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A command asks the domain some questions.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// It drains for some seconds at most when nothing is running.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What it logs when a changed configuration is in force.
const TAKEN_OVER: &str = "configuration taken over";
/// What it writes when it is not.
const REFUSED: &str = "configuration refused, the old one stays";

/// Its name in its certificate, and in the hosts files of the lab.
pub const BROKER_NAME: &str = "broker.corp.example";

/// A running broker; it is killed on drop, and by the system should this process die first.
#[derive(Debug)]
pub struct BrokerProcess {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    card: SocketAddr,
    gateway: SocketAddr,
    // Its files live as long as it does.
    folder: tempfile::TempDir,
}

/// What a broker left that was asked to stop.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// All lines of its log.
    pub log: Vec<String>,
}

/// A broker that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The program is not built.
    #[error("{path} is missing; run: cargo build --workspace --bins")]
    NotBuilt {
        /// Where it should be.
        path: String,
    },
    /// A file or the process could not be made.
    #[error("cannot prepare the broker")]
    Prepare(#[from] std::io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A command of it did not end.
    #[error(transparent)]
    Command(#[from] ProcessError),
    /// The lab does not have what the configuration needs.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// It ended instead of listening.
    #[error("the broker ended at once; its log:\n{log}")]
    Ended {
        /// Its log.
        log: String,
    },
    /// It did not begin to listen, or did not stop.
    #[error("{source}; its log:\n{log}")]
    NotInTime {
        /// What was waited for.
        source: TimedOut,
        /// Its log so far.
        log: String,
    },
}

impl BrokerProcess {
    /// Starts the broker with the lab's usual configuration.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub fn start(lab: &Lab) -> Result<Self, BrokerError> {
        Configuration::new(lab).start()
    }

    /// Starts it from a folder with its files in it.
    fn start_in(
        folder: tempfile::TempDir,
        configuration: &Path,
        fake_time: Option<&str>,
        addresses: [SocketAddr; 2],
    ) -> Result<Self, BrokerError> {
        let mut command = command(&program()?, fake_time)?;
        command.arg("serve").arg("--config").arg(configuration);
        command.env("CREDENTIALS_DIRECTORY", folder.path().join("credentials"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let log = Arc::new(Mutex::new(Vec::new()));
        let child = spawn(command, Arc::clone(&log))?;
        let [card, gateway] = addresses;
        let mut broker = Self { child, log, card, gateway, folder };
        broker.wait_until_listening()?;
        Ok(broker)
    }

    /// `broker.corp.example:PORT` of the card listener.
    #[must_use]
    pub fn card_address(&self) -> String {
        format!("{BROKER_NAME}:{}", self.card.port())
    }

    /// The address of the card listener.
    #[must_use]
    pub fn card_socket(&self) -> SocketAddr {
        self.card
    }

    /// `broker.corp.example:PORT` of the gateways' interface.
    #[must_use]
    pub fn gateway_address(&self) -> String {
        format!("{BROKER_NAME}:{}", self.gateway.port())
    }

    /// The file of a secret it was configured with, by the secret's name.
    #[must_use]
    pub fn secret_file(&self, name: &str) -> PathBuf {
        self.folder.path().join("credentials").join(name)
    }

    /// A file of its configuration, by its name: what is written there is read at the next [`Self::reload`].
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Has it read its configuration again (SIGHUP), and waits until it has been taken over.
    ///
    /// # Errors
    /// [`BrokerError::NotInTime`] where it is not.
    pub fn reload(&self) -> Result<(), BrokerError> {
        let count = || self.log().iter().filter(|line| line.contains(TAKEN_OVER)).count();
        let before = count();
        self.signal(rustix::process::Signal::HUP)?;
        let taken_over = || (count() > before).then_some(());
        wait::until("the new configuration", START_LIMIT, taken_over).map_err(|source| self.late(source))
    }

    /// The same with a configuration that is refused. Gives what the log says meanwhile.
    ///
    /// # Errors
    /// [`BrokerError::NotInTime`] where it is not refused.
    pub fn reload_in_vain(&self) -> Result<Vec<String>, BrokerError> {
        let before = self.log().len();
        self.signal(rustix::process::Signal::HUP)?;
        let refused = || {
            let since: Vec<String> = self.log().into_iter().skip(before).collect();
            since.iter().any(|line| line.contains(REFUSED)).then_some(since)
        };
        wait::until("the refusal of the new configuration", START_LIMIT, refused)
            .map_err(|source| self.late(source))
    }

    /// Runs another command of the program with its configuration, to its end.
    ///
    /// # Errors
    /// [`BrokerError`]; an exit code that says no is none.
    pub fn command(&self, words: &[&str]) -> Result<Finished, BrokerError> {
        self.command_with(&self.folder.path().join("kerbridge.toml"), words)
    }

    /// The same with a configuration whose KDC is another one.
    ///
    /// # Errors
    /// As for [`Self::command`].
    #[expect(clippy::disallowed_methods, reason = "the harness drives processes from plain threads")]
    pub fn command_asking(&self, kdc: SocketAddr, words: &[&str]) -> Result<Finished, BrokerError> {
        let own = std::fs::read_to_string(self.folder.path().join("kerbridge.toml"))?;
        let mut lines: Vec<&str> = own.lines().collect();
        let changed = format!("kdcs = [\"{kdc}\"]");
        if let Some(line) = lines.iter_mut().find(|line| line.starts_with("kdcs = ")) {
            *line = &changed;
        }
        let other = self.folder.path().join("other-kdc.toml");
        std::fs::write(&other, lines.join("\n"))?;
        self.command_with(&other, words)
    }

    fn command_with(&self, configuration: &Path, words: &[&str]) -> Result<Finished, BrokerError> {
        let mut command = command(&program()?, None)?;
        command.args(words).arg("--config").arg(configuration);
        command.env("CREDENTIALS_DIRECTORY", self.folder.path().join("credentials"));
        Ok(process::run(command, b"", COMMAND_LIMIT)?)
    }

    /// The process, which is the broker itself and no program around it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log so far, without lines that are no JSON objects.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.log()
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(Value::is_object)
            .collect()
    }

    /// Waits for a line of the log that holds `text`, and returns it.
    ///
    /// # Errors
    /// [`BrokerError::NotInTime`] with the log.
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> Result<String, BrokerError> {
        let find = || self.log().into_iter().find(|line| line.contains(text));
        wait::until(&format!("a line with {text:?}"), limit, find).map_err(|source| self.late(source))
    }

    /// Waits for an event of the log, and returns it; an answer can come before the line that tells of it.
    ///
    /// # Errors
    /// [`BrokerError::NotInTime`] with the log.
    pub fn wait_for_event(
        &self,
        what: &str,
        limit: Duration,
        is_meant: impl Fn(&Value) -> bool,
    ) -> Result<Value, BrokerError> {
        let find = || self.events().into_iter().find(&is_meant);
        wait::until(what, limit, find).map_err(|source| self.late(source))
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// [`BrokerError::NotInTime`] where it does not.
    pub fn stop(mut self) -> Result<Ended, BrokerError> {
        self.signal(rustix::process::Signal::TERM)?;
        let child = &mut self.child;
        let ended = wait::until("the end of the broker", STOP_LIMIT, || child.try_wait().transpose());
        let status = ended.map_err(|source| self.late(source))??;
        Ok(Ended { code: status.code(), log: self.log() })
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<(), BrokerError> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, signal).map_err(std::io::Error::from)?;
        }
        Ok(())
    }

    fn wait_until_listening(&mut self) -> Result<(), BrokerError> {
        let (child, log) = (&mut self.child, Arc::clone(&self.log));
        let lines = || log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let probe = || {
            let ended = !matches!(child.try_wait(), Ok(None));
            let listens = lines().iter().any(|line| line.contains(r#""message":"listening""#));
            (ended || listens).then_some(ended)
        };
        match wait::until("the broker's listening", START_LIMIT, probe) {
            Ok(false) => Ok(()),
            Ok(true) => Err(BrokerError::Ended { log: lines().join("\n") }),
            Err(source) => Err(self.late(source)),
        }
    }

    fn late(&self, source: TimedOut) -> BrokerError {
        BrokerError::NotInTime { source, log: self.log().join("\n") }
    }
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        remove_shared_memory(self.child.id());
    }
}

/// The program that cargo built beside this one.
///
/// # Errors
/// [`BrokerError::NotBuilt`].
pub fn program() -> Result<PathBuf, BrokerError> {
    let own = std::env::current_exe()?;
    // A test's own program is one folder further down.
    let folders = own.ancestors().skip(1).take(2);
    let candidates: Vec<PathBuf> = folders.map(|folder| folder.join("kerbridge")).collect();
    let path = || candidates.last().map_or_else(String::new, |path| path.display().to_string());
    candidates
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .ok_or_else(|| BrokerError::NotBuilt { path: path() })
}

/// A port of an address that is free now.
fn free_port(address: std::net::Ipv4Addr) -> std::io::Result<SocketAddr> {
    TcpListener::bind((address, 0))?.local_addr()
}

/// The command of a program that the system kills when the thread that started it ends, at another time where asked.
/// Every word of it gives way to the next, so that the child is the program itself.
pub(crate) fn command(program: &Path, fake_time: Option<&str>) -> std::io::Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(offset) = fake_time {
        command.arg("env").arg(format!("LD_PRELOAD={}", faketime_library()?));
        command.arg(format!("FAKETIME={offset}")).arg("FAKETIME_DONT_FAKE_MONOTONIC=1");
    }
    command.arg(program);
    Ok(command)
}

/// What `faketime` has the loader put before a program. `faketime` itself would stay as the program's parent, and the
/// program stay behind when that is killed.
fn faketime_library() -> std::io::Result<String> {
    let told = Command::new("faketime").args(["-f", "+0s", "printenv", "LD_PRELOAD"]).output()?;
    Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

/// What libfaketime leaves of a program that was killed.
pub(crate) fn remove_shared_memory(pid: u32) {
    for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        // Most programs ran without it.
        drop(std::fs::remove_file(Path::new("/dev/shm").join(name)));
    }
}

/// Starts a command from the thread that then reads its log: it lives as long as the process does, as the system's signal at the
/// end of the parent, which is a thread, demands.
fn spawn(mut command: Command, log: Arc<Mutex<Vec<String>>>) -> std::io::Result<Child> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut spawned = command.spawn();
        let stderr = spawned.as_mut().ok().and_then(|child| child.stderr.take());
        drop(send.send(spawned));
        let lines = stderr.into_iter().flat_map(|pipe| BufReader::new(pipe).lines());
        for line in lines.map_while(Result::ok) {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    receive.recv().unwrap_or_else(|_| Err(std::io::Error::other("the broker's thread ended")))
}
