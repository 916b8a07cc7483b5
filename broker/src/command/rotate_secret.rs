//! `kerbridge rotate-secret`.

use std::{
    fmt,
    io::{self, Write as _},
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use kdc_proxy::net::client::{Credential, KPASSWD_PORT};
use ldap_map::net::locate::LocateError;
use serde_json::{Value, json};

use super::Arguments;
use crate::{
    config::{Config, FileFault, SecretError, ServiceSecret},
    exit, logging,
    rotation::{
        self, DiskError, Event, Kerberos, Lock, Observer, Plan, RotationError, Secret, VersionSource,
    },
    service,
};

/// What is rotated, and into what.
#[derive(Args, Debug)]
pub struct RotateArguments {
    #[command(flatten)]
    common: Arguments,
    #[command(flatten)]
    wanted: Wanted,
}

/// How it is rotated.
#[derive(Args, Debug)]
struct Wanted {
    /// Characters of the new password.
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u8).range(12..=127))]
    length: u8,
    /// The file that the keytab or password is loaded from, where the configuration names a credential.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// The same for the directory's password.
    #[arg(long, value_name = "FILE")]
    bind_password: Option<PathBuf>,
    /// Where the domain controller's password service is reached by another port.
    #[arg(long, value_name = "PORT", default_value_t = KPASSWD_PORT)]
    kpasswd_port: u16,
    /// Says every step as a line of JSON.
    #[arg(long)]
    json: bool,
}

/// Changes the password of the service's own account, and writes its keytab or password file anew.
pub(super) fn rotate_secret(arguments: RotateArguments) -> ExitCode {
    let kept_private = service::keep_memory_private();
    let RotateArguments { common, wanted } = arguments;
    let config = match super::read(&common.source()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if logging::set_up(config.log.format, config.log.level).is_err() {
        return exit::SOFTWARE.into();
    }
    kept_private.log();
    let teller = if wanted.json { Teller::Json } else { Teller::Words };
    match rotate(&config, wanted, teller) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            teller.failed(&fault);
            fault.exit_code().into()
        }
    }
}

/// Why the command ended before its end.
#[derive(Debug, thiserror::Error)]
enum RotateFault {
    #[error("a file's name cannot be made absolute")]
    Path(#[source] io::Error),
    #[error(
        "the secret in table kerberos is a credential, of which this program has a copy only; name the file it is loaded \
         from with --secret"
    )]
    ReadOnly,
    #[error("the domain controllers are not found: {0}")]
    Search(#[source] LocateError),
    #[error("another rotation of this secret is running")]
    Locked,
    #[error("the lock: {0}")]
    Lock(#[from] DiskError),
    #[error("the secret: {0}")]
    Secret(#[from] SecretError),
    #[error("the directory's password: {0}")]
    Directory(#[from] FileFault),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Rotation(#[from] RotationError),
}

impl RotateFault {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Search(_) => exit::UNAVAILABLE,
            Self::Path(_) | Self::Runtime(_) => exit::SYSTEM,
            Self::ReadOnly | Self::Secret(_) | Self::Directory(_) => exit::CONFIG,
            Self::Locked => exit::INTERRUPTED,
            Self::Lock(_) => exit::IO,
            Self::Rotation(error) => match error {
                RotationError::NotAccepted(_)
                | RotationError::DirectoryNameUnclear { .. }
                | RotationError::DirectoryPasswordReadOnly { .. } => exit::CONFIG,
                RotationError::Refused(_) | RotationError::RefusedAndPending(_) => exit::NO_PERMISSION,
                RotationError::NotAsked(_) | RotationError::Unavailable(_) => exit::UNAVAILABLE,
                RotationError::Disk(_) => exit::IO,
                RotationError::Clock => exit::SYSTEM,
                RotationError::NotChangedYet { .. }
                | RotationError::Undetermined { .. }
                | RotationError::VersionUnknown
                | RotationError::Stopped => exit::INTERRUPTED,
            },
        }
    }
}

fn rotate(config: &Config, wanted: Wanted, mut teller: Teller) -> Result<(), RotateFault> {
    let Wanted { length, secret, bind_password, kpasswd_port, .. } = wanted;
    let absolute = |path: Option<PathBuf>| path.map(std::path::absolute).transpose();
    let secret = absolute(secret).map_err(RotateFault::Path)?;
    let bind_password = absolute(bind_password).map_err(RotateFault::Path)?;
    let files = config.service_secret.in_files(secret, bind_password);
    let path = files.kerberos_file().ok_or(RotateFault::ReadOnly)?;
    let lock = Lock::take(&path)?.ok_or(RotateFault::Locked)?;
    let plan = plan(config, &files, path, usize::from(length))?;
    let mut domain = Kerberos::new(
        Arc::clone(&config.kerberos),
        Arc::clone(config.domains.own().directory()),
        plan.sam_account_name.clone(),
        config.tickets.spn.to_string(),
        kpasswd_port,
    );
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RotateFault::Runtime)?;
    if let Some(own) = config.controllers.first() {
        runtime.block_on(own.search_once()).map_err(RotateFault::Search)?;
    }
    let (now, mut rng) = (crate::clock::now(), crate::entropy::system());
    let ended = runtime.block_on(rotation::rotate(&plan, &lock, &mut domain, &mut teller, now, &mut rng));
    ended.map(drop).map_err(RotateFault::from)
}

/// What lies on disk, read under the lock.
fn plan(config: &Config, files: &ServiceSecret, path: PathBuf, length: usize) -> Result<Plan, RotateFault> {
    let own = &config.tickets;
    let present = files.read()?;
    let secret = match present.credential {
        Credential::Keytab(keytab) => Secret::Keytab { keytab, names: own.own_principals().to_vec() },
        Credential::Password(password) => Secret::Password(password),
        // Only a file is read here, and what is pending is beside it.
        _ => return Err(RotateFault::ReadOnly),
    };
    let directories = files.read_directories()?;
    Ok(Plan {
        account: files.account().to_owned(),
        sam_account_name: own.account.to_string(),
        path,
        secret,
        pending: present.pending,
        directories,
        length,
    })
}

/// Says every step on standard output as it happens.
#[derive(Clone, Copy, Debug)]
enum Teller {
    /// For people.
    Words,
    /// For programs: a JSON object a line, of which `event` is a stable word.
    Json,
}

impl Teller {
    /// Where nobody hears it any more, stopping between a password and its file would be worse.
    fn line(line: impl fmt::Display) {
        drop(writeln!(io::stdout(), "{line}"));
    }

    fn failed(self, fault: &RotateFault) {
        if matches!(self, Self::Json) {
            let (exit_code, error) = (fault.exit_code(), fault.to_string());
            Self::line(json!({"event": "failed", "exit_code": exit_code, "error": error}));
        }
        drop(writeln!(io::stderr(), "not rotated to its end: {fault}"));
    }
}

impl Observer for Teller {
    fn reached(&mut self, event: &Event) -> ControlFlow<()> {
        match self {
            Self::Words => Self::line(words(event)),
            Self::Json => Self::line(object(event)),
        }
        ControlFlow::Continue(())
    }
}

/// An event as a program reads it.
fn object(event: &Event) -> Value {
    let word = event.word();
    match event {
        Event::Accepted { kdc } => json!({"event": word, "kdc": kdc}),
        Event::Unknown { cause } => json!({"event": word, "cause": cause.to_string()}),
        Event::Verified { etypes, version } => {
            json!({"event": word, "etypes": etypes, "version": version.map(|(version, _)| version)})
        }
        Event::Prepared { path } | Event::Written { path } => {
            json!({"event": word, "path": path.display().to_string()})
        }
        _ => json!({"event": word}),
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Resumed => "an earlier rotation was not finished; going on with it".to_owned(),
        Event::Accepted { kdc } => format!("{kdc} accepts the account's secret"),
        Event::Prepared { path } => format!("the new password is in {}", path.display()),
        Event::InForceAlready => "the new password is in force already".to_owned(),
        Event::Changed => "the domain has changed the password".to_owned(),
        Event::Unknown { cause } => {
            format!("whether the password was changed is not known ({cause}); trying")
        }
        Event::Verified { etypes, version } => {
            let version = match version {
                Some((version, VersionSource::Directory)) => format!("version {version}"),
                Some((version, VersionSource::Ticket)) => format!("version {version} by a ticket"),
                None => "of unknown version".to_owned(),
            };
            format!("the new password is accepted; keys {}, {version}", etypes.join(", "))
        }
        Event::Written { path } => format!("{} is written", path.display()),
        Event::Finished => {
            "finished; a service that reads these files takes it over by itself within seconds; one that was given copies of \
             them (LoadCredential=) must be restarted now".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_every_step_by_a_stable_word() {
        let path = || PathBuf::from("/var/lib/kerbridge/keytab");
        let version = Some((5, VersionSource::Directory));
        for (event, expected) in [
            (Event::Resumed, json!({"event": "resumed"})),
            (Event::Accepted { kdc: "dc1:88".to_owned() }, json!({"event": "accepted", "kdc": "dc1:88"})),
            (
                Event::Prepared { path: path() },
                json!({"event": "prepared", "path": "/var/lib/kerbridge/keytab"}),
            ),
            (Event::InForceAlready, json!({"event": "in_force_already"})),
            (Event::Changed, json!({"event": "changed"})),
            (
                Event::Verified { etypes: vec!["aes256".to_owned()], version },
                json!({"event": "verified", "etypes": ["aes256"], "version": 5}),
            ),
            (
                Event::Written { path: path() },
                json!({"event": "written", "path": "/var/lib/kerbridge/keytab"}),
            ),
            (Event::Finished, json!({"event": "finished"})),
        ] {
            assert_eq!(object(&event), expected);
        }
    }
}
