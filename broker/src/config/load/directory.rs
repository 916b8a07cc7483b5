//! The second step: the directory.

use std::sync::Arc;

use ldap_map::{
    dn::Dn,
    net::directory::{Bind, Directory, LdapServer, Settings, SettingsError},
    sid::Sid,
};

use super::Loader;
use crate::config::{
    ServiceSecret,
    document::Located,
    problem::{Fault, Place},
    raw,
};

impl Loader<'_> {
    /// Makes the client of the directory, whose domain must have `domain_sid` where that is given. It has connected to no
    /// server yet.
    pub(super) fn directory(
        &self,
        raw: &raw::Directory,
        domain_sid: Option<Located<String>>,
        secret: Option<&ServiceSecret>,
    ) -> Option<Directory> {
        let servers = raw.servers.clone().map(|servers| {
            let parse = |server| self.parsed(Some(server), |text| text.parse::<LdapServer>());
            let servers: Vec<_> = servers.into_iter().map(parse).collect();
            servers.into_iter().collect::<Option<Vec<_>>>()
        });
        let base_dn = self.parsed(raw.base_dn.clone(), |text| text.parse::<Dn>());
        let is_pinned = domain_sid.is_some();
        let domain_sid = self.parsed(domain_sid, Sid::parse_domain);
        let roots = self.certificates(raw.ca.as_ref());
        let bind = self.bind(raw, secret);
        let cache = raw.cache.as_ref().map(|cache| self.cache(cache));
        let settings = Settings {
            servers: servers??,
            base_dn: base_dn?,
            roots: roots?,
            bind: bind?,
            pool_size: raw.pool_size.as_ref()?.value,
            connect_timeout: raw.connect_timeout.as_ref()?.value,
            operation_timeout: raw.operation_timeout.as_ref()?.value,
        };
        let directory = match Directory::new(settings) {
            Ok(directory) if is_pinned => directory.expecting(domain_sid?),
            Ok(directory) => directory,
            Err(error) => {
                self.problems.note(place_of(&error, raw), Fault::step(error));
                return None;
            }
        };
        match cache {
            Some(cache) => Some(directory.remembering(cache?)),
            None => Some(directory),
        }
    }

    fn bind(&self, raw: &raw::Directory, secret: Option<&ServiceSecret>) -> Option<Bind> {
        if raw.bind_name.is_some() || raw.bind_password.is_some() {
            let passwords = self.directory_secret(raw, secret);
            let name = raw.bind_name.as_ref()?.value.clone();
            return Some(Bind::Changing { name, passwords: Arc::new(passwords?) });
        }
        let chain = self.certificates(raw.bind_certificate.as_ref());
        let key = self.file(raw.bind_key.as_ref(), |places, source| places.private_key(source));
        Some(Bind::External { certificates: chain?, key: key?.clone_key() })
    }
}

/// The key a problem of the step's settings belongs to.
fn place_of<'r>(error: &SettingsError, raw: &'r raw::Directory) -> &'r Place {
    let place = match error {
        SettingsError::BaseDn => raw.base_dn.as_ref().map(|named| &named.place),
        SettingsError::NoRoots | SettingsError::Root { .. } => raw.ca.as_ref().map(|named| &named.place),
        SettingsError::EmptyCredential => raw.bind_name.as_ref().map(|named| &named.place),
        SettingsError::ClientCertificate(_) => raw.bind_certificate.as_ref().map(|named| &named.place),
        _ => None,
    };
    place.unwrap_or(&raw.place)
}
