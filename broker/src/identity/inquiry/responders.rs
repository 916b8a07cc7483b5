//! How responders do, so that one that fails is left alone for a while: its own issuer then waits for it no longer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::super::fetch::FetchError;
use super::super::revocation::{OcspError, SourceFault};

/// So many failures one after another make a pause.
const FAILURES: u32 = 3;
/// How long a responder is left alone; then one question tries whether it is back.
const PAUSE: Duration = Duration::from_secs(30);
/// Most responders that are known at a time.
const MAX_RESPONDERS: usize = 256;

/// How one responder does, by its host and port.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponderStatus {
    /// Questions that had an answer, usable or not.
    pub answered: u64,
    /// Questions without an answer.
    pub failed: u64,
    /// Questions that were not asked because it failed just before.
    pub passed_over: u64,
    /// Failures since the last answer.
    pub failures: u32,
    /// Until when it is left alone, if it is.
    pub paused_until: Option<SystemTime>,
    /// What the last failure was, in words.
    pub last_failure: Option<String>,
}

/// All responders that were asked.
#[derive(Debug, Default)]
pub(super) struct Responders(Mutex<HashMap<String, ResponderStatus>>);

impl Responders {
    /// Whether a responder is asked now. Of those who ask at the end of a pause, one may.
    pub(super) fn may_be_asked(&self, host: &str, now: SystemTime) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(status) = all.get_mut(host) else { return true };
        let Some(until) = status.paused_until else { return true };
        // A clock that was set back does not make a pause longer.
        let left = until.duration_since(now).ok().filter(|left| !left.is_zero() && *left <= PAUSE);
        if left.is_some() {
            status.passed_over = status.passed_over.saturating_add(1);
            return false;
        }
        status.paused_until = Some(now + PAUSE);
        true
    }

    pub(super) fn note<T>(&self, host: &str, reply: &Result<T, SourceFault>, now: SystemTime) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_RESPONDERS && !all.contains_key(host) {
            let well = all.iter().find(|(_, status)| status.paused_until.is_none());
            let leaving = well.or_else(|| all.iter().next()).map(|(host, _)| host.clone());
            leaving.and_then(|leaving| all.remove(&leaving));
        }
        let status = all.entry(host.to_owned()).or_default();
        match reply {
            Err(fault) if is_its_failure(fault) => {
                status.failed = status.failed.saturating_add(1);
                status.failures = status.failures.saturating_add(1);
                status.last_failure = Some(fault.to_string());
                if status.failures >= FAILURES {
                    if status.paused_until.is_none() {
                        tracing::warn!(responder = host, error = %fault, "a revocation responder is left alone for a while");
                    }
                    status.paused_until = Some(now + PAUSE);
                }
            }
            _ => {
                if status.paused_until.is_some() {
                    tracing::info!(responder = host, "a revocation responder answers again");
                }
                status.answered = status.answered.saturating_add(1);
                (status.failures, status.paused_until) = (0, None);
            }
        }
    }

    pub(super) fn all(&self) -> Vec<(String, ResponderStatus)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = all.iter().map(|(host, status)| (host.clone(), status.clone())).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}

/// Whether the responder is at fault. It is not where nothing was asked, because of the URL, the configuration or too many
/// other questions; nor where it answers that this one question is none for it: the holder of one card that it does not
/// know could have it left alone for all others.
fn is_its_failure(fault: &SourceFault) -> bool {
    match fault {
        SourceFault::Fetch(
            FetchError::Url(_) | FetchError::Port(_) | FetchError::Address { .. } | FetchError::Busy,
        ) => false,
        SourceFault::Fetch(FetchError::Status(status)) => !(400..500).contains(status) || *status == 429,
        // malformedRequest, sigRequired and unauthorized (RFC 6960 section 4.2.1).
        SourceFault::Reply(OcspError::NotSuccessful { status }) => !matches!(status, 1 | 5 | 6),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::testing::now;

    fn failure() -> Result<(), SourceFault> {
        Err(FetchError::Timeout.into())
    }

    #[test]
    fn a_responder_that_fails_again_and_again_is_left_alone_and_then_tried_once() {
        let responders = Responders::default();
        for _ in 0..FAILURES {
            assert!(responders.may_be_asked("ocsp.example:80", now()));
            responders.note("ocsp.example:80", &failure(), now());
        }
        assert!(!responders.may_be_asked("ocsp.example:80", now()));
        assert!(responders.may_be_asked("other.example:80", now()));
        let later = now() + PAUSE;
        assert!(responders.may_be_asked("ocsp.example:80", later));
        assert!(!responders.may_be_asked("ocsp.example:80", later), "one tries for all");
        responders.note("ocsp.example:80", &Ok(()), later);
        assert!(responders.may_be_asked("ocsp.example:80", later));
        let status = responders.all().remove(0).1;
        assert_eq!((status.answered, status.failed, status.passed_over), (1, 3, 2));
    }

    #[test]
    fn a_question_that_was_never_sent_is_not_the_responders_failure() {
        let responders = Responders::default();
        for _ in 0..FAILURES {
            responders.note::<()>("ocsp.example:80", &Err(FetchError::Port(25).into()), now());
        }
        assert!(responders.may_be_asked("ocsp.example:80", now()));
    }

    #[test]
    fn the_responders_that_are_known_are_bounded() {
        let responders = Responders::default();
        for number in 0..2 * MAX_RESPONDERS {
            responders.note(&format!("{number}.example:80"), &failure(), now());
        }
        assert_eq!(responders.all().len(), MAX_RESPONDERS);
    }
}
