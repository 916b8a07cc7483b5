//! Public files: certificates and revocation lists.
//!
//! This file reads files, at start and on reload only.

use std::{
    fs::{self, Metadata},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer,
    pem::{self, PemObject},
};
use x509_parser::prelude::FromDer as _;

use super::{problem::FileFault, secret::Places};

impl Places {
    /// Reads the configuration itself, or any other public text.
    pub(super) fn text(&self, path: &Path, limit: u64) -> Result<String, FileFault> {
        String::from_utf8(read_public(&self.base.join(path), limit)?).map_err(|_| FileFault::NotText)
    }

    /// Reads the certificates of a PEM file; at least one, each a well-formed certificate.
    pub(super) fn certificates(&self, path: &Path) -> Result<Vec<CertificateDer<'static>>, FileFault> {
        let octets = read_public(&self.base.join(path), MAX_CERTIFICATES)?;
        let found: Vec<CertificateDer<'static>> = sections(&octets, "certificate")?;
        for (index, certificate) in found.iter().enumerate() {
            let parsed = x509_parser::certificate::X509Certificate::from_der(certificate);
            if !matches!(parsed, Ok((&[], _))) {
                return Err(FileFault::Malformed { entry: index.saturating_add(1), kind: "certificate" });
            }
        }
        Ok(found)
    }

    /// Reads the certificate revocation lists of a file: PEM with one or more, or a single one as DER, which is
    /// how authorities publish them.
    pub(super) fn revocation_lists(&self, path: &Path) -> Result<Vec<Vec<u8>>, FileFault> {
        let octets = read_public(&self.base.join(path), MAX_REVOCATION_LISTS)?;
        let found = if octets.first() == Some(&DER_SEQUENCE) {
            vec![octets]
        } else {
            let found: Vec<CertificateRevocationListDer<'static>> =
                sections(&octets, "certificate revocation list")?;
            found.iter().map(|list| list.to_vec()).collect()
        };
        for (index, list) in found.iter().enumerate() {
            let parsed = x509_parser::revocation_list::CertificateRevocationList::from_der(list);
            if !matches!(parsed, Ok((&[], _))) {
                let kind = "certificate revocation list";
                return Err(FileFault::Malformed { entry: index.saturating_add(1), kind });
            }
        }
        Ok(found)
    }
}

fn sections<T: PemObject>(octets: &[u8], kind: &'static str) -> Result<Vec<T>, FileFault> {
    let found: Result<Vec<T>, pem::Error> = T::pem_slice_iter(octets).take(MAX_SECTIONS + 1).collect();
    let found = found.map_err(|_| FileFault::Pem)?;
    match found.len() {
        0 => Err(FileFault::NoSection(kind)),
        1..=MAX_SECTIONS => Ok(found),
        _ => Err(FileFault::TooMany { limit: MAX_SECTIONS }),
    }
}

/// Reads a file of at most `limit` octets that not everybody may change: whoever writes it decides whom the
/// service trusts.
fn read_public(path: &Path, limit: u64) -> Result<Vec<u8>, FileFault> {
    let mut octets = Vec::new();
    read_judged(path, limit, &mut octets, |facts| match facts.mode() & 0o7777 {
        mode if mode & 0o002 != 0 => Err(FileFault::Writable { mode }),
        _ => Ok(()),
    })?;
    Ok(octets)
}

/// Reads a regular file of 1 to `limit` octets into `octets`, if `judge` finds nothing wrong with its owner and mode.
///
/// It is opened first and judged by its handle, so that what is judged is what is read.
pub(super) fn read_judged(
    path: &Path,
    limit: u64,
    octets: &mut Vec<u8>,
    judge: impl FnOnce(&Metadata) -> Result<(), FileFault>,
) -> Result<(), FileFault> {
    // A pipe must not block us.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(|error| FileFault::Read(error.kind()))?;
    let facts = file.metadata().map_err(|error| FileFault::Read(error.kind()))?;
    if !facts.is_file() {
        return Err(FileFault::NotRegular);
    }
    judge(&facts)?;
    if facts.len() > limit {
        return Err(FileFault::TooLarge { limit });
    }
    file.take(limit.saturating_add(1)).read_to_end(octets).map_err(|error| FileFault::Read(error.kind()))?;
    match u64::try_from(octets.len()) {
        Ok(0) => Err(FileFault::Empty),
        Ok(length) if length <= limit => Ok(()),
        _ => Err(FileFault::TooLarge { limit }),
    }
}

/// The bounds of public files, in octets. A revocation list of a large authority has millions of entries.
pub(super) const MAX_CONFIGURATION: u64 = 1024 * 1024;
const MAX_CERTIFICATES: u64 = 4 * 1024 * 1024;
const MAX_REVOCATION_LISTS: u64 = 256 * 1024 * 1024;

/// The number of certificates or lists in one file.
const MAX_SECTIONS: usize = 1024;

/// The first octet of every DER certificate revocation list, and of no PEM file.
const DER_SEQUENCE: u8 = 0x30;
