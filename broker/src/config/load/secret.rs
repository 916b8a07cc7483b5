//! The files of the service's own secret, read for the first time.

use kdc_proxy::net::client::Credential;

use super::{Loader, kerberos::EXPORT};
use crate::config::{
    SecretError, ServiceSecret,
    problem::{Fault, Place},
    raw,
    service_secret::{DirectorySecret, DirectorySource, Kerberos},
};

impl Loader<'_> {
    /// The secret, and what to authenticate with now.
    pub(super) fn service_secret(&self, raw: &raw::Raw) -> Option<(ServiceSecret, Credential)> {
        let own = &raw.kerberos;
        let account = format!("{}@{}", own.service.as_ref()?.value, own.realm.as_ref()?.value);
        let kerberos = match (&own.keytab, &own.password) {
            (Some(keytab), _) => Kerberos::Keytab(keytab.value.clone()),
            (None, Some(password)) => Kerberos::Password(password.value.clone()),
            (None, None) => return None,
        };
        let abroad = raw.realms.iter().map(|realm| (&realm.directory, realm.name.as_ref()));
        let directories = std::iter::once((&raw.directory, None)).chain(abroad);
        let directories = directories.filter_map(|(directory, realm)| {
            let source = directory.bind_password.as_ref()?.value.clone();
            let name = directory.bind_name.as_ref()?.value.clone();
            Some(DirectorySource { name, abroad: realm.map(|realm| realm.value.clone()), source })
        });
        let secret = ServiceSecret::new(self.places.clone(), account, kerberos, directories.collect());
        let credential = self.problems.keep(place_of_secret(own), secret.first().map_err(fault))?;
        Some((secret, credential))
    }

    /// The password of a directory, where one is asked with a password at all.
    pub(super) fn directory_secret(
        &self,
        raw: &raw::Directory,
        secret: Option<&ServiceSecret>,
    ) -> Option<DirectorySecret> {
        let named = raw.bind_password.as_ref()?;
        let Some(secret) = secret else {
            // The secret of the account has a problem of its own; what is wrong with this one is noted too.
            self.file(Some(named), |places, source| places.password(source))?;
            return None;
        };
        self.problems.keep(&named.place, secret.directory(&named.value).map_err(fault))
    }
}

fn fault(error: SecretError) -> Fault {
    match error {
        SecretError::File(fault) => Fault::from(fault),
        SecretError::Keytab(error) => Fault::mended(error, EXPORT),
        error @ SecretError::Pending { .. } => Fault::mended(error, PENDING),
    }
}

/// The key of the configuration that names the secret.
pub(super) fn place_of_secret(raw: &raw::Kerberos) -> &Place {
    let secret = raw.keytab.as_ref().or(raw.password.as_ref());
    secret.map_or(&raw.place, |source| &source.place)
}

/// What to do about a pending secret that cannot be used.
const PENDING: &str = "it belongs to a rotation of another account or another version of this program: finish that one with \
    kerbridge rotate-secret there, or remove the file if the secret beside it is in force";
