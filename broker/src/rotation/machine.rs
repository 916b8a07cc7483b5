//! The rotation, from one durable state to the next.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use kdc_proxy::{
    keytab::Keytab,
    net::client::{ChangeError, Credential, ReplaceError, UnknownCause},
    principal::Principal,
};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{
    Domain, Held, Lock, NewKeys, Pending, RotationError, VersionSource,
    bind_name::{self, Whose},
    disk::{self, PENDING_SUFFIX, beside},
    keytab, password,
};

/// How long after it was sent a request may still be carried out: twice what domain controllers let a clock differ.
const REQUEST_LIFE: Duration = Duration::from_secs(600);

/// The secret in force so far.
#[derive(Clone, Debug)]
pub enum Secret {
    /// A keytab, and the names of the account in it.
    Keytab {
        /// All of it.
        keytab: Keytab,
        /// The account's own name and its SPN.
        names: Vec<Principal>,
    },
    /// The password itself.
    Password(Zeroizing<String>),
}

/// A password that a directory is asked with.
#[derive(Clone, Debug)]
pub struct DirectoryPassword {
    /// Its file; none where it cannot be written.
    pub path: Option<PathBuf>,
    /// The password.
    pub password: Zeroizing<String>,
    /// The name it belongs to.
    pub name: String,
    /// The realm of the directory, where it is not our own.
    pub abroad: Option<String>,
}

/// What is to be rotated, as it lies on disk.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Account and realm.
    pub account: String,
    /// The account's name alone.
    pub sam_account_name: String,
    /// The file of the secret.
    pub path: PathBuf,
    /// What is in it.
    pub secret: Secret,
    /// What an earlier run left.
    pub pending: Option<Pending>,
    /// The passwords that directories are asked with, of whichever account.
    pub directories: Vec<DirectoryPassword>,
    /// Characters of the new password.
    pub length: usize,
}

/// Something that has happened, for whoever watches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An earlier run was not finished, and is gone on with.
    Resumed,
    /// A domain controller accepts the secret.
    Accepted {
        /// Which one; all that follows is asked there.
        kdc: String,
    },
    /// The new password is on disk.
    Prepared {
        /// Where.
        path: PathBuf,
    },
    /// The new password turned out to be in force already.
    InForceAlready,
    /// The domain controller has changed the password.
    Changed,
    /// Nobody knows what became of the request; the passwords are tried.
    Unknown {
        /// What came in the place of an answer.
        cause: UnknownCause,
    },
    /// The new password is accepted, and gives these keys.
    Verified {
        /// Their types.
        etypes: Vec<String>,
        /// Their version, and who told it.
        version: Option<(u32, VersionSource)>,
    },
    /// A file has the new secret.
    Written {
        /// Which one.
        path: PathBuf,
    },
    /// Nothing is pending any more.
    Finished,
}

/// Who watches a rotation, and may have it stop between two steps.
pub trait Observer {
    /// `event` has happened, and what is on disk is whole. After [`ControlFlow::Break`] nothing else happens.
    fn reached(&mut self, event: &Event) -> ControlFlow<()>;
}

/// A rotation that came to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Done {
    /// The version of the new keys, where somebody tells it.
    pub version: Option<u32>,
    /// The files that were written.
    pub written: Vec<PathBuf>,
}

/// Rotates the secret of `plan`, or goes on with what an earlier run left. The lock shows that nobody else does.
///
/// # Errors
/// [`RotationError`]; whatever it is, the secret in force is on disk, in its place or pending.
pub async fn rotate<D: Domain, O: Observer, R: RngCore + CryptoRng>(
    plan: &Plan,
    _lock: &Lock,
    domain: &mut D,
    observer: &mut O,
    now: SystemTime,
    rng: &mut R,
) -> Result<Done, RotationError> {
    let mut run = Run { plan, path: disk::resolved(&plan.path)?, domain, observer, now };
    let (pending, is_in_force) = match &plan.pending {
        Some(pending) => run.resume(pending).await?,
        None => (run.prepare(rng).await?, false),
    };
    if !is_in_force {
        run.put_in_force(&pending).await?;
    }
    run.promote(&pending).await
}

struct Run<'a, D, O> {
    plan: &'a Plan,
    /// The secret's file itself, where its name is a link.
    path: PathBuf,
    domain: &'a mut D,
    observer: &'a mut O,
    now: SystemTime,
}

impl<D: Domain, O: Observer> Run<'_, D, O> {
    fn say(&mut self, event: &Event) -> Result<(), RotationError> {
        match self.observer.reached(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(RotationError::Stopped),
        }
    }

    fn pending_path(&self) -> PathBuf {
        beside(&self.plan.path, PENDING_SUFFIX)
    }

    /// Nothing is pending: a new password is made, and is on disk before anybody is asked to put it in force.
    async fn prepare<R: RngCore + CryptoRng>(&mut self, rng: &mut R) -> Result<Pending, RotationError> {
        let kdc = self.domain.connect(self.plan.secret.credential()).await.map_err(not_accepted)?;
        self.say(&Event::Accepted { kdc })?;
        let directories = self.directories_of_account().await?;
        disk::try_out(&self.path)?;
        for path in self.other_files(&directories)? {
            disk::try_out(&path)?;
        }
        let pending = Pending {
            account: self.plan.account.clone(),
            password: password::random(self.plan.length, &self.plan.sam_account_name, rng),
            directories,
            attempted: self.now,
        };
        self.keep(&pending)?;
        self.say(&Event::Prepared { path: self.pending_path() })?;
        Ok(pending)
    }

    /// Something is pending: it may be in force or not, and the request for it may even be on its way still.
    async fn resume(&mut self, pending: &Pending) -> Result<(Pending, bool), RotationError> {
        self.say(&Event::Resumed)?;
        let either = Credential::Changing {
            present: Box::new(self.plan.secret.credential()),
            next: pending.password.clone(),
        };
        let kdc = self.domain.connect(either).await.map_err(not_accepted)?;
        self.say(&Event::Accepted { kdc })?;
        // Found out now, it is not found out after the change.
        for path in self.other_files(&pending.directories)? {
            disk::try_out(&path)?;
        }
        match self.accepts(&pending.password).await? {
            Held::Accepted => {
                self.say(&Event::InForceAlready)?;
                Ok((pending.clone(), true))
            }
            Held::Refused => Ok((pending.clone(), false)),
        }
    }

    /// The files of passwords that directories are asked with and that are the account's own: they change with it.
    async fn directories_of_account(&self) -> Result<Vec<PathBuf>, RotationError> {
        let realm = self.plan.account.rsplit_once('@').map_or("", |(_, realm)| realm);
        let mut tried: Vec<(&Zeroizing<String>, bool)> = Vec::new();
        let (mut files, mut foreign) = (Vec::new(), Vec::new());
        for DirectoryPassword { path, password, name, abroad } in &self.plan.directories {
            let path = path.as_deref().map(disk::resolved).transpose()?;
            let whose = bind_name::whose(name, &self.plan.sam_account_name, realm, abroad.as_deref());
            if whose == Whose::Foreign {
                foreign.push((path, name));
                continue;
            }
            let known = tried.iter().find(|(known, _)| *known == password).map(|(_, is_own)| *is_own);
            let is_own_password = match (known, &self.plan.secret) {
                (Some(known), _) => known,
                (None, Secret::Password(own)) => own == password,
                (None, Secret::Keytab { .. }) => self.accepts(password).await? == Held::Accepted,
            };
            tried.push((password, is_own_password));
            if !is_own_password {
                continue;
            }
            if whose == Whose::Unclear {
                return Err(RotationError::DirectoryNameUnclear { name: name.clone() });
            }
            let path = path.filter(|path| Pending::can_name(path));
            files.push(path.ok_or_else(|| RotationError::DirectoryPasswordReadOnly { name: name.clone() })?);
        }
        // One file cannot have the passwords of two accounts.
        match foreign.into_iter().find(|(path, _)| path.as_ref().is_some_and(|path| files.contains(path))) {
            Some((_, name)) => Err(RotationError::DirectoryNameUnclear { name: name.clone() }),
            None => Ok(files),
        }
    }

    /// The files themselves, where names are links, each once and without the secret's own.
    fn other_files(&self, directories: &[PathBuf]) -> Result<Vec<PathBuf>, RotationError> {
        let mut files = Vec::new();
        for path in directories {
            let path = disk::resolved(path)?;
            if path != self.path && !files.contains(&path) {
                files.push(path);
            }
        }
        Ok(files)
    }

    fn keep(&self, pending: &Pending) -> Result<(), RotationError> {
        let like = disk::facts(&self.path)?;
        Ok(disk::write(&self.pending_path(), pending.to_text().as_bytes(), Some(&like))?)
    }

    /// Asks for the change. Afterwards the new password is in force, or an error says what is.
    async fn put_in_force(&mut self, pending: &Pending) -> Result<(), RotationError> {
        let is_fresh = self.plan.pending.is_none();
        if !is_fresh {
            // From now on another request may be on its way.
            self.keep(&Pending { attempted: self.now, ..pending.clone() })?;
        }
        let present = self.plan.secret.credential();
        match self.domain.change(present, &pending.password).await {
            Ok(()) => self.say(&Event::Changed),
            Err(ChangeError::Refused(refusal)) if is_fresh => {
                disk::remove(&self.pending_path())?;
                Err(RotationError::Refused(Box::new(refusal)))
            }
            Err(ChangeError::Refused(refusal)) => {
                // The earlier request may have been carried out a moment ago.
                if self.accepts(&pending.password).await? == Held::Accepted {
                    return self.say(&Event::InForceAlready);
                }
                if self.now.duration_since(pending.attempted).is_ok_and(|age| age > REQUEST_LIFE) {
                    disk::remove(&self.pending_path())?;
                    return Err(RotationError::Refused(Box::new(refusal)));
                }
                self.keep(pending)?;
                Err(RotationError::RefusedAndPending(Box::new(refusal)))
            }
            Err(ChangeError::Unknown { cause, .. }) => self.find_out(pending, cause).await,
            Err(error) => {
                if is_fresh {
                    disk::remove(&self.pending_path())?;
                }
                Err(RotationError::NotAsked(Box::new(error)))
            }
        }
    }

    /// The outcome is unknown: the new password is tried, then the present secret.
    async fn find_out(&mut self, pending: &Pending, cause: UnknownCause) -> Result<(), RotationError> {
        self.say(&Event::Unknown { cause: cause.clone() })?;
        let cause = Box::new(cause);
        if self.accepts(&pending.password).await? == Held::Accepted {
            return self.say(&Event::Changed);
        }
        let present = self.domain.accepts(self.plan.secret.credential()).await;
        match present.map_err(RotationError::unavailable)? {
            Held::Accepted => Err(RotationError::NotChangedYet { cause }),
            Held::Refused => Err(RotationError::Undetermined { cause }),
        }
    }

    async fn accepts(&self, password: &Zeroizing<String>) -> Result<Held, RotationError> {
        let asked = self.domain.accepts(Credential::Password(password.clone())).await;
        asked.map_err(RotationError::unavailable)
    }

    /// The new password is in force: it is written where it belongs, and then is pending no more.
    async fn promote(&mut self, pending: &Pending) -> Result<Done, RotationError> {
        let NewKeys { keys, version } =
            self.domain.keys(&pending.password).await.map_err(RotationError::unavailable)?;
        let etypes = keys.iter().map(|key| key.etype().to_string()).collect();
        self.say(&Event::Verified { etypes, version })?;
        let like = disk::facts(&self.path)?;
        match &self.plan.secret {
            Secret::Keytab { keytab, names } => {
                let (version, _) = version.ok_or(RotationError::VersionUnknown)?;
                let renewed = keytab::renewed(keytab, names, &keys, version, seconds(self.now)?);
                disk::write(&self.path, &renewed.to_bytes(), Some(&like))?;
            }
            Secret::Password(_) => disk::write(&self.path, &line(&pending.password), Some(&like))?,
        }
        let mut written = vec![self.plan.path.clone()];
        self.say(&Event::Written { path: self.plan.path.clone() })?;
        for path in self.other_files(&pending.directories)? {
            disk::write(&path, &line(&pending.password), Some(&disk::facts(&path)?))?;
            self.say(&Event::Written { path: path.clone() })?;
            written.push(path);
        }
        disk::remove(&self.pending_path())?;
        self.say(&Event::Finished)?;
        Ok(Done { version: version.map(|(version, _)| version), written })
    }
}

impl Secret {
    fn credential(&self) -> Credential {
        match self {
            Self::Keytab { keytab, .. } => Credential::Keytab(keytab.clone()),
            Self::Password(password) => Credential::Password(password.clone()),
        }
    }
}

fn not_accepted(error: ReplaceError) -> RotationError {
    match &error {
        ReplaceError::Client(client) if client.is_unavailable() => RotationError::unavailable(error),
        _ => RotationError::NotAccepted(Box::new(error)),
    }
}

/// A password's file: one line.
fn line(password: &str) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    octets.extend_from_slice(password.as_bytes());
    octets.push(b'\n');
    octets
}

fn seconds(now: SystemTime) -> Result<u32, RotationError> {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| RotationError::Clock)?;
    u32::try_from(since.as_secs()).map_err(|_| RotationError::Clock)
}

impl Event {
    /// The stable word for it, for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Accepted { .. } => "accepted",
            Self::Prepared { .. } => "prepared",
            Self::InForceAlready => "in_force_already",
            Self::Changed => "changed",
            Self::Unknown { .. } => "unknown",
            Self::Verified { .. } => "verified",
            Self::Written { .. } => "written",
            Self::Finished => "finished",
        }
    }

    /// The file it is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Prepared { path } | Self::Written { path } => Some(path),
            _ => None,
        }
    }
}
