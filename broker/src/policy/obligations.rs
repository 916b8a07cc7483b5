//! What a permission obliges to, as annotations of policies say it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest life a policy may grant: a day. Directories give tickets of ten hours by default.
pub(super) const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest one that makes sense: sooner a session has hardly begun.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);
/// Nobody is asked more often than this whether a certificate still holds.
const SHORTEST_RECHECK: Duration = Duration::from_secs(1);

/// What holds for a session beside the configuration. Where several policies permit, the strictest of each holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Obligations {
    /// `@maximum_session`: the session ends this long after the login at the latest.
    pub maximum_session: Option<Duration>,
    /// `@maximum_ticket`: no ticket lives longer.
    pub maximum_ticket: Option<Duration>,
    /// `@recheck`: the card's certificates are judged again at least this often.
    pub recheck: Option<Duration>,
    /// `@handover`: the forms in which a credential may be handed over; `None` for all.
    pub handover: Option<BTreeSet<HandoverForm>>,
}

impl Obligations {
    /// Both at once: of each the stricter.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            maximum_session: stricter(self.maximum_session, other.maximum_session, Ord::min),
            maximum_ticket: stricter(self.maximum_ticket, other.maximum_ticket, Ord::min),
            recheck: stricter(self.recheck, other.recheck, Ord::min),
            handover: stricter(self.handover, other.handover, |one, other| &one & &other),
        }
    }

    /// Whether they leave any form of credential to hand over.
    #[must_use]
    pub fn leave_a_form(&self) -> bool {
        self.handover.as_ref().is_none_or(|forms| !forms.is_empty())
    }

    /// Whether a credential may be handed over in this form.
    #[must_use]
    pub fn allow(&self, form: HandoverForm) -> bool {
        self.handover.as_ref().is_none_or(|forms| forms.contains(&form))
    }
}

fn stricter<T>(one: Option<T>, other: Option<T>, of_both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(of_both(one, other)),
        (one, other) => one.or(other),
    }
}

/// A form in which a gateway gets the use of a ticket.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum HandoverForm {
    /// One initial SPNEGO token; conveys no key.
    SpnegoToken,
    /// A security context that the broker keeps; conveys no key.
    SecurityContext,
    /// A credential cache file.
    CCache,
    /// A KRB-CRED message.
    KrbCred,
}

impl HandoverForm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SpnegoToken, Self::SecurityContext, Self::CCache, Self::KrbCred];

    /// Its word in `@handover`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpnegoToken => "spnego-token",
            Self::SecurityContext => "security-context",
            Self::CCache => "ccache",
            Self::KrbCred => "krb-cred",
        }
    }
}

impl fmt::Display for HandoverForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HandoverForm {
    type Err = AnnotationError;

    fn from_str(text: &str) -> Result<Self, AnnotationError> {
        Self::ALL.into_iter().find(|form| form.as_str() == text).ok_or(AnnotationError::Form)
    }
}

/// What is wrong with an annotation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotationError {
    /// Not one of those that the broker reads.
    #[error(
        "there is no such annotation; policies have id, description, maximum_session, maximum_ticket, recheck, handover and words"
    )]
    Unknown,
    /// An obligation of a permission, at a forbid.
    #[error("only a permit obliges to something")]
    OfPermit,
    /// `words` at a permit.
    #[error("only a forbid has words for the cardholder")]
    OfForbid,
    /// Not a duration.
    #[error("a duration is numbers with units, such as \"10s\", \"5m\" or \"1h30m\"")]
    Duration,
    /// Shorter than a minute or longer than a day.
    #[error("a lifetime is at least a minute and at most 24 hours")]
    Lifetime,
    /// Shorter than a second or longer than a day.
    #[error("an interval is at least a second and at most 24 hours")]
    Interval,
    /// No list of forms.
    #[error("the forms are some of spnego-token, security-context, ccache and krb-cred, separated by commas")]
    Form,
    /// Empty, too long or with control characters.
    #[error("the text is empty, longer than 400 characters, or has control characters")]
    Text,
}

/// Reads one annotation that obliges into `obligations`. `false` where it is none of them.
pub(super) fn read(obligations: &mut Obligations, key: &str, text: &str) -> Result<bool, AnnotationError> {
    let lifetime = || {
        let long = parse_duration(text).ok_or(AnnotationError::Duration)?;
        let fits = (SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&long);
        fits.then_some(long).ok_or(AnnotationError::Lifetime)
    };
    match key {
        "maximum_session" => obligations.maximum_session = Some(lifetime()?),
        "maximum_ticket" => obligations.maximum_ticket = Some(lifetime()?),
        "recheck" => {
            let long = parse_duration(text).ok_or(AnnotationError::Duration)?;
            let fits = (SHORTEST_RECHECK..=LONGEST_LIFETIME).contains(&long);
            obligations.recheck = Some(fits.then_some(long).ok_or(AnnotationError::Interval)?);
        }
        "handover" => {
            let forms: Result<_, _> = text.split(',').map(|form| form.trim().parse()).collect();
            obligations.handover = Some(forms?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Numbers with units, largest first, without a gap: `90s`, `1h30m`, `250ms`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut largest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        // Largest unit first, each once: "5s1m" is more likely a slip than a wish.
        if milliseconds >= largest {
            return None;
        }
        largest = milliseconds;
        let part = number.parse::<u64>().ok()?.checked_mul(milliseconds)?;
        total = total.checked_add(Duration::from_millis(part))?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_each_obligation_holds() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        let forms = |forms: &[HandoverForm]| Some(forms.iter().copied().collect());
        let one = Obligations {
            maximum_session: hours(8),
            maximum_ticket: hours(1),
            recheck: None,
            handover: forms(&[HandoverForm::CCache, HandoverForm::KrbCred]),
        };
        let other = Obligations {
            maximum_session: hours(2),
            maximum_ticket: None,
            recheck: hours(1),
            handover: forms(&[HandoverForm::CCache, HandoverForm::SpnegoToken]),
        };
        let both = Obligations {
            maximum_session: hours(2),
            maximum_ticket: hours(1),
            recheck: hours(1),
            handover: forms(&[HandoverForm::CCache]),
        };
        assert_eq!(one.clone().and(other.clone()), both);
        assert_eq!(other.and(one), both);
        assert!(both.allow(HandoverForm::CCache) && !both.allow(HandoverForm::SpnegoToken));
    }

    #[test]
    fn an_annotation_is_read_or_says_what_is_wrong() {
        let read = |key: &str, text: &str| {
            let mut obligations = Obligations::default();
            read(&mut obligations, key, text).map(|known| known.then_some(obligations))
        };
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(
            read("maximum_session", "1h"),
            Ok(Some(Obligations { maximum_session: hour, ..Obligations::default() }))
        );
        assert_eq!(read("recheck", "1h"), Ok(Some(Obligations { recheck: hour, ..Obligations::default() })));
        assert_eq!(read("maximum_ticket", "25h"), Err(AnnotationError::Lifetime));
        assert_eq!(read("maximum_ticket", "59s"), Err(AnnotationError::Lifetime));
        assert_eq!(read("maximum_session", "8"), Err(AnnotationError::Duration));
        assert_eq!(read("recheck", "0s"), Err(AnnotationError::Interval));
        assert_eq!(read("handover", "ccache,CCACHE"), Err(AnnotationError::Form));
        assert_eq!(read("handover", ""), Err(AnnotationError::Form));
        assert_eq!(read("words", "text"), Ok(None));
    }
}
