//! The secret of the service's own account, as files that somebody replaces while the service runs: a keytab or a password,
//! perhaps the password of the directory, and beside them the password that comes next while a rotation is under way.
//!
//! This file reads files: at start, on reload, when one of them has changed, and when a domain controller no longer accepts
//! what was read before.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
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
    problem::FileFault,
    secret::{MAX_KEYTAB, Places, SecretSource},
};
use crate::rotation::{PENDING_SUFFIX, Pending, PendingError, beside};

/// The files, and what was read of them last.
#[derive(Clone)]
pub struct ServiceSecret(Arc<Inner>);

struct Inner {
    places: Places,
    /// Account and realm.
    account: String,
    kerberos: Kerberos,
    directory: Option<SecretSource>,
    given: Mutex<Given>,
}

/// In which form the account's secret is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kerberos {
    Keytab(SecretSource),
    Password(SecretSource),
}

/// What was given out last.
#[derive(Default)]
struct Given {
    credential: Option<Digest>,
    passwords: Vec<Zeroizing<String>>,
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
        directory: Option<SecretSource>,
    ) -> Self {
        Self(Arc::new(Inner { places, account, kerberos, directory, given: Mutex::default() }))
    }

    /// The same secret in other files: those that credentials are loaded from, which this program can replace.
    #[must_use]
    pub fn in_files(&self, kerberos: Option<PathBuf>, directory: Option<PathBuf>) -> Self {
        let Inner { places, account, kerberos: present, directory: former, .. } = self.0.as_ref();
        let kerberos = match (kerberos, present) {
            (Some(path), Kerberos::Keytab(_)) => Kerberos::Keytab(SecretSource::File(path)),
            (Some(path), Kerberos::Password(_)) => Kerberos::Password(SecretSource::File(path)),
            (None, present) => present.clone(),
        };
        let directory = former.clone().map(|former| directory.map_or(former, SecretSource::File));
        Self::new(places.clone(), account.clone(), kerberos, directory)
    }

    /// Account and realm.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.0.account
    }

    /// The file of the account's secret; none where it is a credential, of which the service has a copy only.
    #[must_use]
    pub fn kerberos_file(&self) -> Option<PathBuf> {
        self.0.file(self.0.kerberos.source())
    }

    /// The file of the directory's password; none where it is a credential, or where there is no such password.
    #[must_use]
    pub fn directory_file(&self) -> Option<PathBuf> {
        self.0.file(self.0.directory.as_ref()?)
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

    /// Reads the directory's password, where it is asked with one. Blocks.
    ///
    /// # Errors
    /// [`FileFault`]
    pub fn read_directory(&self) -> Result<Option<Zeroizing<String>>, FileFault> {
        self.0.directory.as_ref().map(|source| self.0.places.password(source)).transpose()
    }

    /// Whether `source` is where the directory's password is kept.
    pub(super) fn is_directory_password(&self, source: &SecretSource) -> bool {
        self.0.directory.as_ref() == Some(source)
    }

    /// Reads the account's secret for a client that begins with it, and asks for newer ones.
    pub(super) fn first(&self) -> Result<Credential, SecretError> {
        let (present, digest) = self.0.read()?;
        self.0.given().credential = Some(digest);
        Ok(present.into_credential())
    }

    /// Reads the directory's passwords for a directory that begins with them, and asks for newer ones.
    pub(super) fn first_of_directory(&self) -> Result<(), SecretError> {
        let passwords = self.0.passwords()?;
        self.0.given().passwords = passwords;
        Ok(())
    }

    /// What the files look like now. Blocks, but reads nothing.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let Inner { places, kerberos, directory, .. } = self.0.as_ref();
        let path = |source: &SecretSource| places.path(source).ok();
        let secret = path(kerberos.source());
        let pending = secret.as_deref().map(|path| beside(path, PENDING_SUFFIX));
        let paths = [secret, pending, directory.as_ref().and_then(path)];
        Stamp(paths.iter().map(|path| facts(path.as_ref()?)).collect())
    }

    /// Reads the directory's passwords anew; tells whether they are others than before. Says in the log why not.
    pub async fn renew_directory(&self) -> bool {
        let inner = Arc::clone(&self.0);
        if inner.directory.is_none() {
            return false;
        }
        match spawn_blocking(move || inner.passwords()).await {
            Ok(Ok(passwords)) => {
                let mut given = self.0.given();
                let are_new = given.passwords != passwords;
                given.passwords = passwords;
                are_new
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the directory's password cannot be read; the one before stays");
                false
            }
            Err(error) => {
                tracing::error!(%error, "the directory's password cannot be read; the one before stays");
                false
            }
        }
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

    /// The directory's password, and the one that comes next where it is the same account's.
    fn passwords(&self) -> Result<Vec<Zeroizing<String>>, SecretError> {
        let Some(source) = &self.directory else { return Ok(Vec::new()) };
        let next = self.pending()?.filter(|pending| pending.serves_directory);
        let present = self.places.password(source)?;
        Ok(std::iter::once(present).chain(next.map(|next| next.password)).collect())
    }

    fn file(&self, source: &SecretSource) -> Option<PathBuf> {
        match source {
            SecretSource::Credential(_) => None,
            SecretSource::File(_) => self.places.path(source).ok(),
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
            let (present, digest) = match spawn_blocking(move || inner.read()).await {
                Ok(Ok(read)) => read,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the service's own secret cannot be read; the one before stays");
                    return None;
                }
                Err(error) => {
                    tracing::error!(%error, "the service's own secret cannot be read; the one before stays");
                    return None;
                }
            };
            let before = self.0.given().credential.replace(digest);
            let is_new = before.is_none_or(|before| before.as_ref() != digest.as_ref());
            is_new.then(|| present.into_credential())
        })
    }
}

impl Passwords for ServiceSecret {
    fn known(&self) -> Vec<Zeroizing<String>> {
        self.0.given().passwords.clone()
    }

    fn renew(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(self.renew_directory())
    }
}

impl fmt::Debug for ServiceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSecret").field("account", &self.0.account).finish_non_exhaustive()
    }
}

/// Device, inode, length and time of the last change.
fn facts(path: &std::path::Path) -> Option<[u64; 5]> {
    let facts = fs::metadata(path).ok()?;
    let time = [facts.mtime().cast_unsigned(), facts.mtime_nsec().cast_unsigned()];
    Some([facts.dev(), facts.ino(), facts.len(), time[0], time[1]])
}

#[cfg(test)]
mod tests;
