//! Secrets: where they are kept, how they are read, and the types that hold them.
//!
//! This file reads files, at start and on reload only.
//!
//! A secret is never written into the configuration. It is named there, as `"credential:NAME"` for a file in
//! `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`, or a mounted directory in a container), or as the path
//! of a file. Since an administrator may write the secret itself where its name belongs, the text of such a key
//! is never repeated in an error.

use std::{
    fmt,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use toml::de::DeValue;
use zeroize::Zeroizing;

use super::{
    document::Value,
    file::read_judged,
    problem::{Fault, FileFault},
    value::text,
};

/// Where a secret is kept. Its `Debug` prints only which kind of place that is.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum SecretSource {
    Credential(String),
    File(PathBuf),
}

impl Value for SecretSource {
    const EXAMPLE: &'static str = "\"credential:NAME\" or \"/run/secrets/FILE\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let wrong = Fault::Form {
            expected: "the name of a secret (the secret itself never stands in this file)",
            example: "\"credential:NAME\" or \"/run/secrets/FILE\"",
        };
        let text = text(value)?;
        match text.strip_prefix("credential:") {
            Some(name) if is_credential_name(name) => Ok(Self::Credential(name.to_owned())),
            Some(_) => Err(wrong),
            None if text.contains('/') => Ok(Self::File(PathBuf::from(text))),
            None => Err(wrong),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential(_) => "SecretSource::Credential(..)",
            Self::File(_) => "SecretSource::File(..)",
        })
    }
}

/// Where named secrets are looked for.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The directory of the configuration file; relative paths start there.
    pub(super) base: PathBuf,
    /// `$CREDENTIALS_DIRECTORY`.
    pub(super) credentials: Option<PathBuf>,
}

impl Places {
    /// Reads a secret of at most `limit` octets.
    ///
    /// The file must belong to root or to the service's user, and nobody else may read it. A credential may in
    /// addition be readable by its group: systemd grants access by an access control list, whose mask shows up in
    /// the group's bits, and a container platform by a group of the container's own.
    pub(super) fn secret(&self, source: &SecretSource, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileFault> {
        let forbidden = match source {
            SecretSource::Credential(_) => 0o037,
            SecretSource::File(_) => 0o077,
        };
        read_secret(&self.path(source)?, forbidden, limit)
    }

    /// The file of a secret.
    pub(super) fn path(&self, source: &SecretSource) -> Result<PathBuf, FileFault> {
        match source {
            SecretSource::Credential(name) => {
                Ok(self.credentials.as_ref().ok_or(FileFault::NoCredentials)?.join(name))
            }
            SecretSource::File(path) => Ok(self.base.join(path)),
        }
    }

    /// Reads a password: one line of UTF-8, with or without the newline that editors add.
    pub(super) fn password(&self, source: &SecretSource) -> Result<Zeroizing<String>, FileFault> {
        let octets = self.secret(source, MAX_PASSWORD)?;
        let text = str::from_utf8(&octets).map_err(|_| FileFault::NotText)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(FileFault::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(FileFault::NotText);
        }
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Reads a private key: the first of a PEM file.
    pub(super) fn private_key(
        &self,
        source: &SecretSource,
    ) -> Result<Zeroizing<PrivateKeyDer<'static>>, FileFault> {
        let octets = self.secret(source, MAX_KEY)?;
        // The parser's own error would repeat a line of the file.
        PrivateKeyDer::from_pem_slice(&octets).map(Zeroizing::new).map_err(|error| match error {
            rustls_pki_types::pem::Error::NoItemsFound => FileFault::NoSection("unencrypted private key"),
            _ => FileFault::Pem,
        })
    }
}

fn read_secret(path: &Path, forbidden: u32, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileFault> {
    // Room for the whole file at once: a buffer that grew would leave copies behind that nobody wipes.
    let room = usize::try_from(limit.saturating_add(1)).unwrap_or(usize::MAX);
    let mut octets = Zeroizing::new(Vec::with_capacity(room));
    read_judged(path, limit, &mut octets, |facts| {
        let service = rustix::process::geteuid().as_raw();
        if facts.uid() != 0 && facts.uid() != service {
            return Err(FileFault::Owner { owner: facts.uid(), service });
        }
        match facts.mode() & 0o7777 {
            mode if mode & forbidden != 0 => Err(FileFault::Exposed { mode }),
            _ => Ok(()),
        }
    })?;
    Ok(octets)
}

fn is_credential_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 255 && name.chars().all(plain) && !matches!(name, "." | "..")
}

/// The bounds of secret files, in octets.
pub(super) const MAX_KEYTAB: u64 = 256 * 1024;
const MAX_PASSWORD: u64 = 4 * 1024;
const MAX_KEY: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn written(contents: &[u8], mode: u32) -> (tempfile::TempDir, Places) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let base = directory.path().to_owned();
        (directory, Places { credentials: Some(base.clone()), base })
    }

    fn file() -> SecretSource {
        SecretSource::File("./secret".into())
    }

    fn credential() -> SecretSource {
        SecretSource::Credential("secret".into())
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        for mode in [0o440, 0o404, 0o644, 0o420, 0o410] {
            let (_kept, places) = written(b"x", mode);
            assert!(matches!(places.secret(&file(), 9), Err(FileFault::Exposed { mode: m }) if m == mode));
        }
    }

    #[test]
    fn a_secret_only_the_owner_can_read_is_taken() {
        for mode in [0o400, 0o600] {
            let (_kept, places) = written(b"x", mode);
            assert_eq!(places.secret(&file(), 9).unwrap().as_slice(), b"x");
        }
    }

    #[test]
    fn a_credential_may_be_readable_by_its_group_but_not_by_others() {
        let (_kept, places) = written(b"x", 0o440);
        assert_eq!(places.secret(&credential(), 9).unwrap().as_slice(), b"x");
        let (_kept, places) = written(b"x", 0o444);
        assert!(matches!(places.secret(&credential(), 9), Err(FileFault::Exposed { mode: 0o444 })));
    }

    #[test]
    fn a_credential_without_a_credentials_directory_is_refused() {
        let (_kept, places) = written(b"x", 0o400);
        let places = Places { credentials: None, ..places };
        assert!(matches!(places.secret(&credential(), 9), Err(FileFault::NoCredentials)));
    }

    #[test]
    fn a_secret_beyond_its_bound_is_refused() {
        let (_kept, places) = written(b"0123456789", 0o400);
        assert!(matches!(places.secret(&file(), 9), Err(FileFault::TooLarge { limit: 9 })));
        assert_eq!(places.secret(&file(), 10).unwrap().len(), 10);
    }

    #[test]
    fn a_directory_and_a_pipe_are_no_secrets() {
        let (kept, places) = written(b"x", 0o400);
        fs::create_dir(kept.path().join("folder")).unwrap();
        assert!(matches!(
            places.secret(&SecretSource::File("./folder".into()), 9),
            Err(FileFault::NotRegular)
        ));
        let pipe = kept.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        assert!(matches!(places.secret(&SecretSource::File("./pipe".into()), 9), Err(FileFault::NotRegular)));
    }

    #[test]
    fn a_password_loses_one_newline_and_keeps_its_blanks() {
        let (_kept, places) = written(b" pass word \r\n", 0o400);
        assert_eq!(places.password(&file()).unwrap().as_str(), " pass word ");
    }

    #[test]
    fn an_empty_password_and_one_of_two_lines_are_refused() {
        let (_kept, places) = written(b"\n", 0o400);
        assert!(matches!(places.password(&file()), Err(FileFault::Empty)));
        let (_kept, places) = written(b"one\ntwo\n", 0o400);
        assert!(matches!(places.password(&file()), Err(FileFault::NotText)));
    }

    #[test]
    fn a_secret_written_in_place_of_its_name_is_refused_without_repeating_it() {
        let fault = SecretSource::read(&DeValue::String("hunter2".into())).unwrap_err();
        assert!(matches!(fault, Fault::Form { .. }));
        assert!(!format!("{fault} {fault:?} {}", fault.mend()).contains("hunter2"));
    }

    #[test]
    fn a_credential_name_cannot_leave_its_directory() {
        for name in ["credential:../shadow", "credential:..", "credential:", "credential:a/b"] {
            assert!(matches!(SecretSource::read(&DeValue::String(name.into())), Err(Fault::Form { .. })));
        }
    }

    #[test]
    fn the_place_of_a_secret_is_not_printed() {
        let source = SecretSource::File("/run/hunter2".into());
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
