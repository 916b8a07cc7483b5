//! What can be seen of a fault from outside, before the directory is asked.

use std::fmt;

use kdc_proxy::error::{ErrorCode, EvidenceError, NtStatus, ReplyError};
use kdc_proxy::net::client::{ClientError, Stage};
use kdc_proxy::principal::Realm;

/// What was seen when there was no ticket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Symptom {
    /// A domain controller refused. Nothing of it is authenticated; it ends one login and is remembered by nobody.
    Refused {
        /// In which exchange.
        stage: Stage,
        /// The Kerberos error (RFC 4120 section 7.5.9).
        code: ErrorCode,
        /// The Windows status. It often does not come, so nothing depends on it alone.
        status: Option<NtStatus>,
        /// The words that came with it, without control characters, 200 at most.
        text: Option<String>,
    },
    /// The evidence about the person cannot be used for delegation.
    NotForwardable,
    /// A ticket is encrypted in a type that is not allowed here.
    WeakTicket {
        /// In which exchange.
        stage: Stage,
    },
    /// The evidence is encrypted in a key that we do not have.
    UnknownKey,
    /// The clocks differ.
    ClocksDiffer,
    /// The domain controller refers to another realm.
    Referral {
        /// In which exchange.
        stage: Stage,
    },
    /// The last step for a person of another realm: that realm has referred back to ours, which does not take it.
    EvidenceFromAbroad,
    /// Our own realm knows no way to the person's.
    NoTrust,
}

/// How a cause shows itself.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// In which exchanges; none named means in any.
    pub stages: &'static [Stage],
    /// As what.
    pub shows: Shows,
}

/// As what a cause shows itself.
#[derive(Clone, Copy, Debug)]
pub enum Shows {
    /// As a Kerberos error; where one of these statuses comes with it, this cause is more probable than others.
    Error(ErrorCode, &'static [NtStatus]),
    /// As evidence that is not forwardable.
    NotForwardable,
    /// As a ticket in a type that is not allowed.
    WeakTicket,
    /// As evidence in a key that we do not have.
    UnknownKey,
    /// As clocks that differ.
    ClocksDiffer,
    /// As a referral to another realm.
    Referral,
    /// As evidence of another realm that our own does not take.
    EvidenceFromAbroad,
    /// As a realm to which there is no way.
    NoTrust,
    /// In the directory itself, before any domain controller is asked for a ticket.
    Directory,
}

/// How well a sign fits what was seen.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fit {
    /// Down to the Windows status.
    Exactly,
    /// By all that is always there.
    Roughly,
}

impl Symptom {
    /// What an error of the client shows of the domain; `None` where it is about something else. `asked` is the exchange
    /// that was wanted.
    #[must_use]
    pub fn of(error: &ClientError, asked: Stage) -> Option<Self> {
        match error {
            ClientError::KdcRefused { stage, code, status, text, .. } => {
                Some(Self::Refused { stage: *stage, code: *code, status: *status, text: text.clone() })
            }
            ClientError::ClockSkew { .. } | ClientError::ClaimedSkew { .. } => Some(Self::ClocksDiffer),
            ClientError::Referral { stage, .. } => Some(Self::Referral { stage: *stage }),
            ClientError::ReplyRefused(ReplyError::TicketEtype(_) | ReplyError::SessionKeyEtype(_)) => {
                Some(Self::WeakTicket { stage: asked })
            }
            ClientError::ReplyRefused(ReplyError::Evidence(
                EvidenceError::NoKey(_) | EvidenceError::NoKeyVersion(_),
            )) => Some(Self::UnknownKey),
            _ => None,
        }
    }

    /// What an error shows of the trust between `own` realm and the `person`'s, where they are two; `None` where it shows
    /// nothing of it.
    #[must_use]
    pub fn across(error: &ClientError, own: &Realm, person: &Realm) -> Option<Self> {
        let ClientError::KdcRefused { stage, realm, code, .. } = error else { return None };
        match (*stage, *code) {
            _ if own == person => None,
            (Stage::S4u2Self, ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN | ErrorCode::KDC_ERR_POLICY)
                if realm == own =>
            {
                Some(Self::EvidenceFromAbroad)
            }
            (Stage::Tgs, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN) => Some(Self::NoTrust),
            _ => None,
        }
    }

    /// The exchange it was seen in.
    #[must_use]
    pub const fn stage(&self) -> Option<Stage> {
        match self {
            Self::Refused { stage, .. } | Self::WeakTicket { stage } | Self::Referral { stage } => {
                Some(*stage)
            }
            Self::NotForwardable | Self::UnknownKey | Self::EvidenceFromAbroad => Some(Stage::S4u2Self),
            Self::NoTrust => Some(Stage::Tgs),
            Self::ClocksDiffer => None,
        }
    }
}

impl Sign {
    /// Whether the symptom shows it, and how well.
    #[must_use]
    pub fn fits(&self, symptom: &Symptom) -> Option<Fit> {
        let here = self.stages.is_empty() || symptom.stage().is_none_or(|stage| self.stages.contains(&stage));
        if !here {
            return None;
        }
        match (self.shows, symptom) {
            (Shows::Error(wanted, statuses), Symptom::Refused { code, status, .. }) if wanted == *code => {
                let exactly = status.is_some_and(|status| statuses.contains(&status));
                Some(if exactly { Fit::Exactly } else { Fit::Roughly })
            }
            (Shows::NotForwardable, Symptom::NotForwardable)
            | (Shows::WeakTicket, Symptom::WeakTicket { .. })
            | (Shows::UnknownKey, Symptom::UnknownKey)
            | (Shows::ClocksDiffer, Symptom::ClocksDiffer)
            | (Shows::Referral, Symptom::Referral { .. })
            | (Shows::EvidenceFromAbroad, Symptom::EvidenceFromAbroad)
            | (Shows::NoTrust, Symptom::NoTrust) => Some(Fit::Roughly),
            _ => None,
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.stages.iter().map(|stage| stage_name(*stage)).collect();
        if !names.is_empty() {
            write!(f, "{}: ", names.join(", "))?;
        }
        match self.shows {
            Shows::Error(code, statuses) => {
                write!(f, "{code}")?;
                for (place, status) in statuses.iter().enumerate() {
                    write!(f, "{}{status}", if place == 0 { ", often with " } else { " or " })?;
                }
                Ok(())
            }
            Shows::NotForwardable => f.write_str("evidence that is not forwardable"),
            Shows::WeakTicket => f.write_str("a ticket without AES"),
            Shows::UnknownKey => f.write_str("evidence in a key that the keytab does not have"),
            Shows::ClocksDiffer => f.write_str("clocks that differ"),
            Shows::Referral => f.write_str("a referral to another realm"),
            Shows::EvidenceFromAbroad => {
                f.write_str("KDC_ERR_C_PRINCIPAL_UNKNOWN (6) or KDC_ERR_POLICY (12) of our own realm about a person of another")
            }
            Shows::NoTrust => f.write_str("KDC_ERR_S_PRINCIPAL_UNKNOWN (7) for the ticket-granting service of another realm"),
            Shows::Directory => f.write_str("the directory's own answer, before a ticket is asked for"),
        }
    }
}

/// The exchange by its standard's name.
#[must_use]
pub const fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::As => "AS exchange",
        Stage::Tgs => "TGS exchange",
        Stage::S4u2Self => "S4U2Self",
        Stage::S4u2Proxy => "S4U2Proxy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kdc_proxy::time::ClockOffset;

    fn refused(stage: Stage, code: ErrorCode, status: Option<NtStatus>) -> Symptom {
        Symptom::Refused { stage, code, status, text: None }
    }

    const SIGN: Sign = Sign {
        stages: &[Stage::S4u2Proxy],
        shows: Shows::Error(ErrorCode::KDC_ERR_BADOPTION, &[NtStatus::STATUS_NO_MATCH]),
    };

    #[test]
    fn a_status_makes_a_fit_exact_and_its_absence_does_not_end_it() {
        let fits = |status| SIGN.fits(&refused(Stage::S4u2Proxy, ErrorCode::KDC_ERR_BADOPTION, status));
        assert_eq!(fits(Some(NtStatus::STATUS_NO_MATCH)), Some(Fit::Exactly));
        assert_eq!(fits(Some(NtStatus::STATUS_NOT_FOUND)), Some(Fit::Roughly));
        assert_eq!(fits(None), Some(Fit::Roughly));
    }

    #[test]
    fn the_same_code_at_another_stage_is_another_symptom() {
        for stage in [Stage::As, Stage::Tgs, Stage::S4u2Self] {
            assert_eq!(SIGN.fits(&refused(stage, ErrorCode::KDC_ERR_BADOPTION, None)), None);
        }
        assert_eq!(SIGN.fits(&refused(Stage::S4u2Proxy, ErrorCode::KDC_ERR_POLICY, None)), None);
        assert_eq!(SIGN.fits(&Symptom::NotForwardable), None);
    }

    #[test]
    fn a_sign_without_stages_is_one_of_every_stage() {
        let anywhere = Sign { stages: &[], ..SIGN };
        for stage in [Stage::As, Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
            assert!(anywhere.fits(&refused(stage, ErrorCode::KDC_ERR_BADOPTION, None)).is_some());
        }
    }

    #[test]
    fn what_the_client_says_of_the_domain_is_a_symptom_and_the_rest_is_none() {
        let of = |error: ClientError| Symptom::of(&error, Stage::S4u2Proxy);
        let offset = ClockOffset::NONE;
        assert_eq!(of(ClientError::ClaimedSkew { offset }), Some(Symptom::ClocksDiffer));
        let weak = ClientError::ReplyRefused(ReplyError::TicketEtype(23));
        assert_eq!(of(weak), Some(Symptom::WeakTicket { stage: Stage::S4u2Proxy }));
        let version = ClientError::ReplyRefused(EvidenceError::NoKeyVersion(3).into());
        assert_eq!(of(version), Some(Symptom::UnknownKey));
        let realm = Realm::new("CORP.EXAMPLE").expect("a realm");
        let text = Some("no".to_owned());
        let code = ErrorCode::KDC_ERR_POLICY;
        let refused =
            ClientError::KdcRefused { stage: Stage::As, realm, code, status: None, text: text.clone() };
        assert_eq!(of(refused), Some(Symptom::Refused { stage: Stage::As, code, status: None, text }));
        assert_eq!(of(ClientError::ReplyRefused(ReplyError::Nonce)), None);
        assert_eq!(of(ClientError::KdcUnavailable { attempts: Vec::new() }), None);
    }

    #[test]
    fn a_sign_is_written_with_stage_code_and_status() {
        assert_eq!(SIGN.to_string(), "S4U2Proxy: KDC_ERR_BADOPTION (13), often with STATUS_NO_MATCH");
    }

    #[test]
    fn a_refusal_about_a_person_of_another_realm_is_told_by_who_refused() {
        let realm = |text: &str| Realm::new(text).expect("a realm");
        let (own, beta) = (realm("CORP.EXAMPLE"), realm("BETA.EXAMPLE"));
        let refused = |stage, realm: &Realm, code| ClientError::KdcRefused {
            stage,
            realm: realm.clone(),
            code,
            status: None,
            text: None,
        };
        let unknown = ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN;
        let by_us = refused(Stage::S4u2Self, &own, unknown);
        assert_eq!(Symptom::across(&by_us, &own, &beta), Some(Symptom::EvidenceFromAbroad));
        assert_eq!(Symptom::across(&by_us, &own, &own), None, "a person of our own");
        let by_them = refused(Stage::S4u2Self, &beta, unknown);
        assert_eq!(Symptom::across(&by_them, &own, &beta), None, "they do not know the person");
        let no_way = refused(Stage::Tgs, &own, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN);
        assert_eq!(Symptom::across(&no_way, &own, &beta), Some(Symptom::NoTrust));
        assert_eq!(Symptom::across(&ClientError::NoKdc { realm: beta.clone() }, &own, &beta), None);
    }
}
