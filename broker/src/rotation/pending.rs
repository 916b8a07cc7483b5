//! The password that comes next, as it lies on disk until it is in force and written where it belongs.

use std::{
    fmt,
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
    /// Whether the directory is asked with the password of the same account.
    pub serves_directory: bool,
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
        let serves_directory = match value(&mut lines, "directory ")? {
            "yes" => true,
            "no" => false,
            _ => return Err(PendingError::Form),
        };
        let seconds: u64 = value(&mut lines, "attempted ")?.parse().map_err(|_| PendingError::Form)?;
        let attempted = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let attempted = attempted.ok_or(PendingError::Form)?;
        let password = value(&mut lines, "password ")?;
        let is_clean = !password.is_empty() && password.bytes().all(|octet| octet.is_ascii_graphic());
        if !is_clean || lines.next().is_some() {
            return Err(PendingError::Form);
        }
        if !whose.eq_ignore_ascii_case(account) {
            return Err(PendingError::OtherAccount);
        }
        let password = Zeroizing::new(password.to_owned());
        Ok(Self { account: whose.to_owned(), password, serves_directory, attempted })
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let attempted = self.attempted.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let directory = if self.serves_directory { "yes" } else { "no" };
        // Room for all of it at once: a text that grew would leave copies behind that nobody wipes.
        let mut text = Zeroizing::new(String::with_capacity(256 + self.account.len() + self.password.len()));
        text.push_str(HEADER);
        for (key, value) in [("account", self.account.as_str()), ("directory", directory)] {
            text.extend(["\n", key, " ", value]);
        }
        text.extend(["\nattempted ", &attempted.to_string(), "\npassword ", &self.password, "\n"]);
        text
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
            serves_directory: true,
            attempted: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for serves_directory in [true, false] {
            let pending = Pending { serves_directory, ..pending() };
            let read = Pending::parse(&pending.to_text(), "SVC-Broker@CORP.EXAMPLE").unwrap();
            assert_eq!(read, pending);
        }
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let text = pending().to_text();
        assert_eq!(Pending::parse("", "x"), Err(PendingError::Form));
        for length in 0..text.len() - 1 {
            let part = text.get(..length).expect("it is ascii");
            if let Ok(read) = Pending::parse(part, "svc-broker@CORP.EXAMPLE") {
                // The end of a password cannot be told; such a file is never left, it is written whole and then renamed.
                assert!(pending().password.starts_with(read.password.as_str()));
            }
        }
        for (from, to) in [
            ("secret 1", "secret 2"),
            ("directory yes", "directory maybe"),
            ("attempted 18", "attempted x"),
            ("attempted 1800000000", "attempted 99999999999999999999"),
            ("password n", "password \u{7}"),
            ("Passw0rd\n", "Passw0rd\nmore\n"),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text.as_str(), "{from}");
            assert_eq!(Pending::parse(&damaged, "svc-broker@CORP.EXAMPLE"), Err(PendingError::Form), "{to}");
        }
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
