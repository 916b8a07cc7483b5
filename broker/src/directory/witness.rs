//! What the directory says after a domain controller has refused. Does I/O, through [`ldap_map::net`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use ldap_map::delegation::{Facts, Question};
use ldap_map::net::directory::{Directory, DirectoryError};
use tokio::time::{timeout, timeout_at};

/// Longest time that reading may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is left of the caller's time for its answer.
const MARGIN: Duration = Duration::from_millis(250);

/// Asks the directory what is missing. It is heard after the verdict, and changes none.
#[derive(Clone, Debug)]
pub struct Witness(Arc<Directory>);

/// What came of asking.
#[derive(Debug)]
pub enum Testimony {
    /// What the directory says.
    Heard(Box<Facts>),
    /// The directory cannot be read.
    Unreadable(DirectoryError),
    /// There was no time to ask, or no answer within it.
    TooLate,
    /// It is about an account of another domain, of which our own directory says nothing.
    Elsewhere,
}

impl Witness {
    /// A witness of this directory.
    #[must_use]
    pub const fn new(directory: Arc<Directory>) -> Self {
        Self(directory)
    }

    /// Asks, for two seconds at most and no longer than the caller has time to answer, which is until `answer_by`.
    pub async fn ask(&self, question: &Question<'_>, answer_by: Instant) -> Testimony {
        let until = answer_by.checked_sub(MARGIN).unwrap_or(answer_by);
        let asked = timeout_at(until.into(), timeout(PATIENCE, self.0.delegation(question)));
        match asked.await {
            Ok(Ok(Ok(facts))) => Testimony::Heard(Box::new(facts)),
            Ok(Ok(Err(error))) => Testimony::Unreadable(error),
            Ok(Err(_)) | Err(_) => Testimony::TooLate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::directory::testing::{nowhere, silent};

    const QUESTION: Question<'_> =
        Question { account: "svc-broker", own_spn: "HTTP/broker", user: None, target_spn: None };

    #[tokio::test]
    async fn a_directory_that_cannot_be_reached_is_told() {
        let witness = Witness::new(Arc::new(nowhere()));
        let testimony = witness.ask(&QUESTION, clock::instant() + Duration::from_secs(10)).await;
        assert!(matches!(testimony, Testimony::Unreadable(DirectoryError::Unavailable { .. })));
    }

    #[tokio::test]
    async fn a_directory_that_is_silent_takes_no_more_time_than_the_caller_has() {
        let (directory, _listener) = silent().await;
        let witness = Witness::new(Arc::new(directory));
        let began = clock::instant();
        for left in [Duration::ZERO, MARGIN, MARGIN + Duration::from_millis(100)] {
            let testimony = witness.ask(&QUESTION, clock::instant() + left).await;
            assert!(matches!(testimony, Testimony::TooLate));
        }
        assert!(began.elapsed() < PATIENCE, "it does not wait for the server");
    }
}
