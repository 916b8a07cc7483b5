//! `kerbridge policy`: whether policies are sound, and whether they decide as they should. Reads files only.

mod check;
mod test;

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand};

use crate::{
    policy::{MAXIMUM_FILE, Policy, PolicyFile, PolicyProblem, SCHEMA, ServiceClass, Settings, Targets},
    reload::Source,
};

pub use self::{check::CheckArguments, test::TestArguments};

/// The code of policies that are not sound, or do not decide as they should.
const NOT_SO: u8 = 1;
/// The code of a wrong use, unreadable files included.
pub(super) const USAGE: u8 = 2;

/// What can be asked about policies.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum PolicyCommand {
    /// Holds policies against the schema as a start of the service does, and prints what each is about.
    ///
    /// Ends with 0 where all are sound, 1 where one is not, 2 where the command cannot be carried out.
    Check(CheckArguments),
    /// Puts cases before policies, as logins would be, and prints where the answers are not those that the cases expect.
    ///
    /// Ends with 0 where every answer is as expected, 1 where one is not, 2 where the command cannot be carried out.
    Test(TestArguments),
    /// Prints the schema: everything that policies can speak of.
    Schema,
}

/// Which policies are meant.
#[derive(Args, Debug)]
struct Which {
    /// Takes the policies, rules, targets and levels of this configuration, in place of files; that of the service where neither
    /// is given.
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    config: Option<PathBuf>,
    /// A gateway that policies of files may name.
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    gateway: Vec<String>,
    /// A realm beside our own whose groups they may name.
    #[arg(long, value_name = "REALM", conflicts_with = "config")]
    realm: Vec<String>,
    /// Files of policies.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Does what was asked for.
pub(super) fn run(command: PolicyCommand) -> ExitCode {
    let ended = match command {
        PolicyCommand::Check(arguments) => check::check(&arguments),
        PolicyCommand::Test(arguments) => test::test(&arguments),
        PolicyCommand::Schema => Ok(super::say(SCHEMA)),
    };
    ended.unwrap_or_else(|fault| {
        // Where not even this can be written, the exit code still says it.
        drop(writeln!(io::stderr(), "{fault}"));
        USAGE.into()
    })
}

/// Why nothing could be said about the policies.
#[derive(Debug, thiserror::Error)]
enum PolicyFault {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: it is larger than {MAXIMUM_FILE} octets, or no text", .0.display())]
    Text(PathBuf),
    #[error("{}: {error}", path.display())]
    Cases { path: PathBuf, error: crate::policy::CasesError },
    #[error("the configuration cannot be read")]
    Configuration,
}

/// The policies that were meant, with what else the configuration says.
struct Meant {
    policy: Arc<Policy>,
    targets: Arc<Targets>,
}

/// What cases add to what files of policies say.
#[derive(Default)]
struct Beside {
    gateways: Vec<String>,
    realms: Vec<String>,
    services: Vec<ServiceClass>,
}

impl Which {
    /// Compiles them.
    fn policies(&self, beside: Beside) -> Result<Result<Meant, Vec<PolicyProblem>>, PolicyFault> {
        if self.files.is_empty() {
            return self.configured().map(Ok);
        }
        let files: Result<Vec<PolicyFile>, PolicyFault> = self
            .files
            .iter()
            .map(|path| Ok(PolicyFile { name: path.display().to_string(), text: text(path)? }))
            .collect();
        let settings = Settings {
            files: files?,
            services: beside.services,
            gateways: self.gateway.iter().cloned().chain(beside.gateways).collect(),
            realms: self.realm.iter().map(|realm| realm.to_ascii_uppercase()).chain(beside.realms).collect(),
            ..Settings::default()
        };
        let compiled = Policy::compile(&settings);
        Ok(compiled.map(|policy| Meant { policy: Arc::new(policy), targets: Arc::default() }))
    }

    fn configured(&self) -> Result<Meant, PolicyFault> {
        let path = self.config.clone().unwrap_or_else(|| PathBuf::from(super::CONFIGURATION));
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let config = super::read(&Source { path, credentials }).map_err(|_| PolicyFault::Configuration)?;
        Ok(Meant { policy: config.policy, targets: config.targets })
    }
}

/// A whole file of text. What has no end, such as a device, is not read to it.
fn text(path: &Path) -> Result<String, PolicyFault> {
    let fault = |error| PolicyFault::File { path: path.to_owned(), error };
    let most = u64::try_from(MAXIMUM_FILE).unwrap_or(u64::MAX);
    let mut octets = Vec::new();
    let file = std::fs::File::open(path).map_err(fault)?;
    file.take(most.saturating_add(1)).read_to_end(&mut octets).map_err(fault)?;
    let text = String::from_utf8(octets).ok().filter(|text| text.len() <= MAXIMUM_FILE);
    text.ok_or_else(|| PolicyFault::Text(path.to_owned()))
}
