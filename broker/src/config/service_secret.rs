//! The secret of the service's own account, as files that somebody replaces while the service runs: a keytab or a password,
//! perhaps passwords that directories are asked with, and beside it the password that comes next while a rotation is under
//! way.
//!
//! This file reads files: at start, on reload, when one of them has changed, and when a domain controller no longer accepts
//! what was read before.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{self, Digest};
use kdc_proxy::{
    keytab::{Keytab, KeytabError},
    net::client::{Credential, CredentialSource},
};
use ldap_map::net::directory::Passwords;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::{
    Warning,
    problem::FileFault,
    secret::{MAX_KEYTAB, Places, SecretSource},
};
use crate::rotation::{DirectoryPassword, PENDING_SUFFIX, Pending, PendingError, beside};

/// The files, and what was read of them last.
#[derive(Clone)]
pub struct ServiceSecret(Arc<Inner>);

struct Inner {
    places: Places,
    /// Account and realm.
    account: String,
    kerberos: Kerberos,
    directories: Vec<DirectorySource>,
    given: Mutex<Given>,
}

/// In which form the account's secret is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kerberos {
    Keytab(SecretSource),
    Password(SecretSource),
}

/// What a directory is asked with.
#[derive(Clone, Debug)]
pub(super) struct DirectorySource {
    /// The name to bind with.
    pub(super) name: String,
    /// Its realm, where it is not our own.
    pub(super) abroad: Option<String>,
    /// The password's file.
    pub(super) source: SecretSource,
}

/// The password of one directory, for the client of it.
#[derive(Clone, Debug)]
pub(super) struct DirectorySecret {
    secret: ServiceSecret,
    place: usize,
}

/// What was given out last: the credential, and the passwords of every directory.
#[derive(Default)]
struct Given {
    credential: Option<Digest>,
    passwords: Vec<Vec<Zeroizing<String>>>,
}

/// The account's secret as it lies on disk.
#[derive(Clone, Debug)]
pub struct Present {
    /// The keytab or the password.
    pub credential: Credential,
    /// The password that comes next, while a rotation is under way.
    pub pending: Option<Pending>,
}

/// Which files there are, as far as they can be told apart without reading them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stamp(Vec<Option<[u64; 5]>>);

/// Why the secret could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileFault),
    /// The keytab's content.
    #[error(transparent)]
    Keytab(#[from] KeytabError),
    /// The file that an unfinished rotation left, named by its path.
    #[error("{path}: {source}")]
    Pending {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: PendingError,
    },
}

impl ServiceSecret {
    pub(super) fn new(
        places: Places,
        account: String,
        kerberos: Kerberos,
        directories: Vec<DirectorySource>,
    ) -> Self {
        let passwords = vec![Vec::new(); directories.len()];
        let given = Mutex::new(Given { credential: None, passwords });
        Self(Arc::new(Inner { places, account, kerberos, directories, given }))
    }

    /// The same secret in other files: those that credentials are loaded from, which this program can replace. `directory`
    /// stands for the password of our own domain's directory, also where other directories are asked with it.
    #[must_use]
    pub fn in_files(&self, kerberos: Option<PathBuf>, directory: Option<PathBuf>) -> Self {
        let Inner { places, account, kerberos: present, directories, .. } = self.0.as_ref();
        let kerberos = match (kerberos, present) {
            (Some(path), Kerberos::Keytab(_)) => Kerberos::Keytab(SecretSource::File(path)),
            (Some(path), Kerberos::Password(_)) => Kerberos::Password(SecretSource::File(path)),
            (None, present) => present.clone(),
        };
        let mut directories = directories.clone();
        let own = directories.iter().find(|known| known.abroad.is_none()).map(|own| own.source.clone());
        if let (Some(own), Some(path)) = (own, directory) {
            let same = directories.iter_mut().filter(|known| known.source == own);
            same.for_each(|known| known.source = SecretSource::File(path.clone()));
        }
        Self::new(places.clone(), account.clone(), kerberos, directories)
    }

    /// Account and realm.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.0.account
    }

    /// The file of the account's secret; none where it is a credential, of which the service may have a copy only.
    #[must_use]
    pub fn kerberos_file(&self) -> Option<PathBuf> {
        self.0.file(self.0.kerberos.source())
    }

    /// A warning where the secret is one of those copies that systemd makes at a start (`LoadCredential=`): they never change.
    pub(super) fn warning(&self) -> Option<Warning> {
        let key = if self.is_keytab() { "kerberos.keytab" } else { "kerberos.password" };
        let path = self.0.places.path(self.0.kerberos.source()).ok()?;
        is_copy(&path).then_some(Warning::SecretIsCopy { key })
    }

    /// Whether the secret is a keytab, and not a password.
    #[must_use]
    pub fn is_keytab(&self) -> bool {
        matches!(self.0.kerberos, Kerberos::Keytab(_))
    }

    /// Reads the account's secret. Blocks.
    ///
    /// # Errors
    /// [`SecretError`]
    pub fn read(&self) -> Result<Present, SecretError> {
        Ok(self.0.read()?.0)
    }

    /// Reads the passwords that directories are asked with. Blocks.
    ///
    /// # Errors
    /// [`FileFault`]
    pub fn read_directories(&self) -> Result<Vec<DirectoryPassword>, FileFault> {
        let read = |DirectorySource { name, abroad, source }: &DirectorySource| {
            let password = self.0.places.password(source)?;
            let (name, abroad) = (name.clone(), abroad.clone());
            Ok(DirectoryPassword { path: self.0.file(source), password, name, abroad })
        };
        self.0.directories.iter().map(read).collect()
    }

    /// Reads the account's secret for a client that begins with it, and asks for newer ones.
    pub(super) fn first(&self) -> Result<Credential, SecretError> {
        let (present, digest) = self.0.read()?;
        self.0.given().credential = Some(digest);
        Ok(present.into_credential())
    }

    /// The passwords of the directory whose password is kept here, read for its client that begins with them.
    pub(super) fn directory(&self, source: &SecretSource) -> Result<DirectorySecret, SecretError> {
        let is_it = |known: &DirectorySource| known.source == *source;
        let place = self.0.directories.iter().position(is_it).unwrap_or_default();
        self.0.renew(place)?;
        Ok(DirectorySecret { secret: self.clone(), place })
    }

    /// What the files look like now. Blocks, but reads nothing.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let Inner { places, kerberos, directories, .. } = self.0.as_ref();
        let path = |source: &SecretSource| places.path(source).ok();
        let secret = path(kerberos.source());
        let pending = secret.as_deref().map(|path| beside(path, PENDING_SUFFIX));
        let passwords = directories.iter().map(|directory| path(&directory.source));
        let paths = [secret, pending].into_iter().chain(passwords);
        Stamp(paths.map(|path| facts(&path?)).collect())
    }

    /// Reads the passwords of all directories anew; tells whether some are others than before. Says in the log why not.
    pub async fn renew_directories(&self) -> bool {
        let mut are_new = false;
        for place in 0..self.0.directories.len() {
            are_new |= self.renew_directory(place).await;
        }
        are_new
    }

    async fn renew_directory(&self, place: usize) -> bool {
        let inner = Arc::clone(&self.0);
        let read = spawn_blocking(move || inner.renew(place)).await;
        read.map_err(|error| error.to_string())
            .and_then(|read| read.map_err(|error| error.to_string()))
            .unwrap_or_else(|error| {
                tracing::error!(error, "a directory's password cannot be read; the one before stays");
                false
            })
    }
}

impl Inner {
    fn read(&self) -> Result<(Present, Digest), SecretError> {
        // What is pending first: should it be promoted in between, the secret read afterwards has it.
        let pending = self.pending()?;
        let mut context = digest::Context::new(&digest::SHA256);
        if let Some(pending) = &pending {
            context.update(pending.password.as_bytes());
        }
        context.update(b"\n");
        let credential = match &self.kerberos {
            Kerberos::Keytab(source) => {
                let octets = self.places.secret(source, MAX_KEYTAB)?;
                context.update(&octets);
                Credential::Keytab(Keytab::parse(&octets)?)
            }
            Kerberos::Password(source) => {
                let password = self.places.password(source)?;
                context.update(password.as_bytes());
                Credential::Password(password)
            }
        };
        Ok((Present { credential, pending }, context.finish()))
    }

    fn pending(&self) -> Result<Option<Pending>, SecretError> {
        let Some(path) = self.file(self.kerberos.source()) else { return Ok(None) };
        let path = beside(&path, PENDING_SUFFIX);
        let octets = match self.places.secret(&SecretSource::File(path.clone()), Pending::MAX_LENGTH) {
            Ok(octets) => octets,
            Err(FileFault::Read(io::ErrorKind::NotFound)) => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        let parsed = str::from_utf8(&octets)
            .map_err(|_| PendingError::Form)
            .and_then(|text| Pending::parse(text, &self.account));
        let named = |source| SecretError::Pending { path: path.display().to_string(), source };
        parsed.map(Some).map_err(named)
    }

    /// Reads the password of a directory, and the one that comes next where that is for it too; tells whether they are
    /// others than before.
    fn renew(&self, place: usize) -> Result<bool, SecretError> {
        let Some(DirectorySource { source, .. }) = self.directories.get(place) else { return Ok(false) };
        let pending = self.pending()?;
        let file = self.file(source).and_then(|file| fs::canonicalize(file).ok());
        let next = pending.filter(|pending| file.is_some_and(|file| pending.directories.contains(&file)));
        let mut passwords = vec![self.places.password(source)?];
        passwords.extend(next.map(|next| next.password));
        let mut given = self.given();
        let Some(known) = given.passwords.get_mut(place) else { return Ok(false) };
        let are_new = *known != passwords;
        *known = passwords;
        Ok(are_new)
    }

    fn file(&self, source: &SecretSource) -> Option<PathBuf> {
        match source {
            SecretSource::Credential(_) => None,
            SecretSource::File(_) => self.places.path(source).ok().filter(|path| !is_copy(path)),
        }
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kerberos {
    const fn source(&self) -> &SecretSource {
        match self {
            Self::Keytab(source) | Self::Password(source) => source,
        }
    }
}

impl Present {
    /// What to authenticate with: either of the two while a rotation is under way.
    fn into_credential(self) -> Credential {
        let Self { credential, pending } = self;
        match pending {
            Some(pending) => Credential::Changing { present: Box::new(credential), next: pending.password },
            None => credential,
        }
    }
}

impl CredentialSource for ServiceSecret {
    fn latest(&self) -> Pin<Box<dyn Future<Output = Option<Credential>> + Send + '_>> {
        Box::pin(async {
            let inner = Arc::clone(&self.0);
            let read = spawn_blocking(move || inner.read()).await;
            let read = read
                .map_err(|error| error.to_string())
                .and_then(|read| read.map_err(|error| error.to_string()));
            let (present, digest) = match read {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(error, "the service's own secret cannot be read; the one before stays");
                    return None;
                }
            };
            let before = self.0.given().credential.replace(digest);
            let is_new = before.is_none_or(|before| before.as_ref() != digest.as_ref());
            is_new.then(|| present.into_credential())
        })
    }
}

impl Passwords for DirectorySecret {
    fn known(&self) -> Vec<Zeroizing<String>> {
        self.secret.0.given().passwords.get(self.place).cloned().unwrap_or_default()
    }

    fn renew(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(self.secret.renew_directory(self.place))
    }
}

impl fmt::Debug for ServiceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSecret").field("account", &self.0.account).finish_non_exhaustive()
    }
}

/// Whether a file is a credential of a unit of systemd. A container platform mounts its secrets elsewhere, and replaces them.
fn is_copy(path: &Path) -> bool {
    path.starts_with("/run/credentials")
}

/// Device, inode, length and time of the last change.
fn facts(path: &Path) -> Option<[u64; 5]> {
    let facts = fs::metadata(path).ok()?;
    let time = [facts.mtime().cast_unsigned(), facts.mtime_nsec().cast_unsigned()];
    Some([facts.dev(), facts.ino(), facts.len(), time[0], time[1]])
}

#[cfg(test)]
mod tests;
