//! The password that comes next, as it lies on disk until it is in force and written where it belongs.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::Lines,
    time::{Duration, SystemTime},
};

use zeroize::Zeroizing;

/// First line of the file.
const HEADER: &str = "kerbridge-pending-secret 1";

/// A password that is being put in force.
#[derive(Clone, Eq, PartialEq)]
pub struct Pending {
    /// Whose: account and realm.
    pub account: String,
    /// The password itself.
    pub password: Zeroizing<String>,
    /// Files of the same password, with which directories are asked.
    pub directories: Vec<PathBuf>,
    /// When a domain controller was last about to be asked to put it in force.
    pub attempted: SystemTime,
}

/// Why a file is not a pending secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PendingError {
    /// Another file, or one of another version of this program.
    #[error("this is no pending secret that this program has written")]
    Form,
    /// Of another account than the one configured.
    #[error("the pending secret is of another account")]
    OtherAccount,
}

impl Pending {
    /// Longest file, in octets.
    pub const MAX_LENGTH: u64 = 4096;

    /// Reads the file's text, which must be of `account`.
    ///
    /// # Errors
    /// [`PendingError`].
    pub fn parse(text: &str, account: &str) -> Result<Self, PendingError> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(PendingError::Form);
        }
        let whose = value(&mut lines, "account ")?;
        let seconds: u64 = value(&mut lines, "attempted ")?.parse().map_err(|_| PendingError::Form)?;
        let attempted = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let attempted = attempted.ok_or(PendingError::Form)?;
        let password = value(&mut lines, "password ")?;
        if password.is_empty() || !password.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(PendingError::Form);
        }
        let path = |line: &str| {
            line.strip_prefix("directory ").map(PathBuf::from).filter(|path| Self::can_name(path))
        };
        let directories = lines.map(path).collect::<Option<_>>().ok_or(PendingError::Form)?;
        if !whose.eq_ignore_ascii_case(account) {
            return Err(PendingError::OtherAccount);
        }
        let password = Zeroizing::new(password.to_owned());
        Ok(Self { account: whose.to_owned(), password, directories, attempted })
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let attempted = self.attempted.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let attempted = attempted.to_string();
        let directories: String =
            self.directories.iter().map(|path| format!("directory {}\n", path.display())).collect();
        // Room for all of it at once: a text that grew would leave copies behind that nobody wipes.
        let room = 128 + self.account.len() + self.password.len() + directories.len();
        let mut text = Zeroizing::new(String::with_capacity(room));
        text.extend([HEADER, "\naccount ", &self.account, "\nattempted ", &attempted]);
        text.extend(["\npassword ", &self.password, "\n", &directories]);
        text
    }

    /// Whether a path can be written into the file: one that could not be read back is of no use there.
    pub(super) fn can_name(path: &Path) -> bool {
        path.to_str().is_some_and(|text| !text.is_empty() && !text.chars().any(char::is_control))
    }
}

fn value<'a>(lines: &mut Lines<'a>, key: &str) -> Result<&'a str, PendingError> {
    lines.next().and_then(|line| line.strip_prefix(key)).ok_or(PendingError::Form)
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("account", &self.account).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending() -> Pending {
        Pending {
            account: "svc-broker@CORP.EXAMPLE".to_owned(),
            password: Zeroizing::new("n3xt-Passw0rd".to_owned()),
            directories: vec!["/var/lib/kerbridge/ldap password".into(), "./beta".into()],
            attempted: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for directories in [pending().directories, Vec::new()] {
            let pending = Pending { directories, ..pending() };
            let read = Pending::parse(&pending.to_text(), "SVC-Broker@CORP.EXAMPLE").unwrap();
            assert_eq!(read, pending);
        }
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let text = pending().to_text();
        assert_eq!(Pending::parse("", "x"), Err(PendingError::Form));
        for (from, to) in [
            ("secret 1", "secret 2"),
            ("directory ./beta", "directories ./beta"),
            ("directory ./beta", "directory "),
            ("directory ./beta", "directory ./be\rta"),
            ("attempted 18", "attempted x"),
            ("attempted 1800000000", "attempted 99999999999999999999"),
            ("password n", "password \u{7}"),
            ("Passw0rd\n", "Passw0rd\nmore\n"),
            ("password n3xt-Passw0rd\n", ""),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text.as_str(), "{from}");
            assert_eq!(Pending::parse(&damaged, "svc-broker@CORP.EXAMPLE"), Err(PendingError::Form), "{to}");
        }
    }

    #[test]
    fn a_path_that_would_not_be_read_back_cannot_be_named() {
        assert!(Pending::can_name(Path::new("/a b/c")));
        assert!(!Pending::can_name(Path::new("/a\nb")) && !Pending::can_name(Path::new("")));
    }

    #[test]
    fn the_secret_of_another_account_is_not_taken() {
        let refused = Pending::parse(&pending().to_text(), "svc-other@CORP.EXAMPLE");
        assert_eq!(refused, Err(PendingError::OtherAccount));
    }

    #[test]
    fn the_password_does_not_show_in_debug() {
        assert!(!format!("{:?}", pending()).contains("n3xt"));
    }
}
