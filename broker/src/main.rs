//! The `kerbridge` command.

use std::io::{self, Write as _};
use std::{path::PathBuf, process::ExitCode};

use broker::{config::Config, exit, logging, reload::Source, service};
use clap::{Parser, error::ErrorKind};

/// From a smart card to a Kerberos desktop session.
#[derive(Parser)]
#[command(name = "kerbridge", version)]
enum Command {
    /// Runs the service.
    Serve(Arguments),
    /// Checks the configuration and every file it names, without opening a socket.
    Validate(Arguments),
}

#[derive(clap::Args)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/kerbridge/kerbridge.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    match Command::try_parse() {
        Ok(Command::Serve(arguments)) => serve(&arguments.source()),
        Ok(Command::Validate(arguments)) => validate(&arguments.source()),
        Err(error) => {
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if error.print().is_ok() && asked_for { ExitCode::SUCCESS } else { exit::USAGE.into() }
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

fn validate(source: &Source) -> ExitCode {
    let Ok(config) = read(source) else { return exit::CONFIG.into() };
    let mut words = format!("{} is valid\n", source.path.display());
    words.extend(config.warnings.iter().map(|warning| format!("warning: {warning}\n")));
    if io::stdout().write_all(words.as_bytes()).is_ok() { ExitCode::SUCCESS } else { exit::IO.into() }
}

fn serve(source: &Source) -> ExitCode {
    let kept_private = service::keep_memory_private();
    let Ok(config) = read(source) else { return exit::CONFIG.into() };
    if logging::set_up(config.log.format, config.log.level).is_err() {
        return exit::SOFTWARE.into();
    }
    match service::run_to_the_end(config, source, kept_private) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, cause = ?std::error::Error::source(&error), "service ended");
            error.exit_code().into()
        }
    }
}

/// Reads the configuration; what is wrong with it goes to standard error.
fn read(source: &Source) -> Result<Config, Refused> {
    source.read().map_err(|problems| {
        let mut words = format!("{} has {} problem(s):\n", source.path.display(), problems.len());
        words.extend(problems.iter().map(|problem| format!("  {problem}\n")));
        // Where not even this can be written, the exit code still says it.
        drop(io::stderr().write_all(words.as_bytes()));
        Refused
    })
}

/// The configuration was refused, and it has been said why.
struct Refused;
