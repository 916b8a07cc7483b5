//! What an administrator can ask of `kerbridge`: a file for each command.
//!
//! A command reads the configuration, does one thing, says on standard output what came of it and on standard error what
//! is wrong, and answers with a code of [`crate::exit`]. Does I/O.

mod certificate;
#[cfg(not(any(test, fuzzing)))]
mod explain;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod explain;
mod policy;
mod rotate_secret;
mod serve;
mod validate;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser};

pub use self::certificate::{CertificateCommand, ShowArguments, VerifyArguments};
pub use self::explain::ExplainArguments;
pub use self::policy::{CheckArguments, PolicyCommand, TestArguments};
pub use self::rotate_secret::RotateArguments;
use crate::{config::Config, exit, reload::Source};

/// From a smart card to a Kerberos desktop session.
#[derive(Debug, Parser)]
#[command(name = "kerbridge", version)]
#[non_exhaustive]
pub enum Command {
    /// Runs the service.
    Serve(Arguments),
    /// Checks the configuration and every file it names, without opening a socket.
    Validate(Arguments),
    /// Looks into certificates, without configuration or network.
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Says what a login with a certificate would come to, and why: the checks, the account and how the card maps to it, every value
    /// that would tie them, the rule, and whether delegation is set up. Nothing is issued.
    ///
    /// Ends with 0 where it would be accepted, 1 where it would be refused.
    Explain(ExplainArguments),
    /// Looks into policies: whether they are sound, and whether they decide as they should.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Changes the password of the service's own account, and writes its keytab or password file anew.
    RotateSecret(RotateArguments),
}

/// The configuration of the service, where a command is not told another.
const CONFIGURATION: &str = "/etc/kerbridge/kerbridge.toml";

/// What every command that reads the configuration takes.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = CONFIGURATION)]
    config: PathBuf,
}

impl Command {
    /// Does what was asked for, to its end.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self {
            Self::Serve(arguments) => serve::serve(&arguments.source()),
            Self::Validate(arguments) => validate::validate(&arguments.source()),
            Self::Certificate(command) => certificate::run(command),
            Self::Explain(arguments) => explain::explain(arguments),
            Self::Policy(command) => policy::run(command),
            Self::RotateSecret(arguments) => rotate_secret::rotate_secret(arguments),
        }
    }
}

impl Arguments {
    fn source(self) -> Source {
        Source {
            path: self.config,
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

/// The code to end with where the command line cannot be read. Only `kerbridge certificate` and `kerbridge policy` have
/// one of their own: 1 means refused there, and 2 a wrong use, as test programs expect it.
#[must_use]
pub fn usage_code(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let command = arguments.into_iter().nth(1);
    match command.as_ref().and_then(|name| name.to_str()) {
        Some("certificate") => certificate::USAGE.into(),
        Some("policy") => policy::USAGE.into(),
        _ => exit::USAGE.into(),
    }
}

/// Reads the configuration; what is wrong with it goes to standard error, and the code to end with is given back.
fn read(source: &Source) -> Result<Config, ExitCode> {
    source.read().map_err(|problems| {
        let mut words = format!("{} has {} problem(s):\n", source.path.display(), problems.len());
        words.extend(problems.iter().map(|problem| format!("  {problem}\n")));
        // Where not even this can be written, the exit code still says it.
        drop(io::stderr().write_all(words.as_bytes()));
        exit::CONFIG.into()
    })
}

/// Writes the result of a command to standard output.
fn say(words: &str) -> ExitCode {
    if io::stdout().write_all(words.as_bytes()).is_ok() { ExitCode::SUCCESS } else { exit::IO.into() }
}
