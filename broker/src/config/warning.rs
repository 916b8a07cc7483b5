//! What is allowed but deserves a line in the log at every start.

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use ldap_map::sid::Sid;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use crate::identity::BundleError;

/// A setting that weakens the service, or something that is about to end.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// Revocation is switched off.
    RevocationOff,
    /// No source of revocation is configured at all.
    RevocationNotConfigured,
    /// Where no source can say whether a certificate of an issuer is revoked, it is accepted.
    UnknownRevocationAccepted {
        /// The issuer; `None` for all that have no order of their own.
        issuer: Option<String>,
    },
    /// RC4 is accepted from the KDC.
    Rc4Allowed,
    /// A certificate may name its account by UPN alone.
    WeakMappingAccepted,
    /// A certificate of any age may.
    AnyMappingAccepted,
    /// Every authority whose cards are accepted is believed about SIDs.
    EveryIssuerNamesSids,
    /// An attribute that cards are looked for in is one that every person may write into the own account.
    SelfServiceAttribute {
        /// The key of the entry, such as `directory.mapping[1].attributes[1]`.
        key: String,
        /// The attribute.
        attribute: String,
    },
    /// A name in a certificate counts as firmly tied to its account.
    NameTakenForStrong {
        /// The key that says so.
        key: String,
    },
    /// A host that DNS names is believed to be a domain controller by a certificate for its own name.
    AnyMachineIsController,
    /// The service's own ticket is renewed so late that persons' tickets end before their time.
    LateRenewal {
        /// What `kerberos.renew_before` must at least be.
        needed: Duration,
    },
    /// The secret of the service's account is a copy that systemd made at the start.
    SecretIsCopy {
        /// The key that names it.
        key: &'static str,
    },
    /// A gateway logs in whom it wants: nobody proves that a card is there.
    PresentsWithoutProof {
        /// Its name.
        gateway: String,
    },
    /// Live sessions are judged again so seldom that their grace is over before a second try.
    GraceOverBeforeNextTry,
    /// The status page answers the whole network.
    StatusNotLoopback,
    /// A rule names a group by a SID that no PAC contains, so that the directory's word alone lets its members in.
    GroupNotVouched {
        /// The key of the entry, such as `policy.rule[1].groups[1]`.
        key: String,
        /// The group.
        sid: Sid,
    },
    /// The policies of `policy.candidate` are not tried.
    CandidateNotTried {
        /// Why not.
        problem: String,
    },
    /// A certificate has ended, or ends within 30 days; of an authority of cards, within 90.
    CertificateEnds {
        /// The key that names its file.
        key: &'static str,
        /// Its end.
        not_after: Timestamp,
        /// It has ended already.
        ended: bool,
    },
    /// A file of the directory of revocation lists cannot be used.
    ListFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: BundleError,
    },
    /// A revocation list is out of date, so that the cards of its authority are refused.
    RevocationListEnded {
        /// Its next update was due then.
        next_update: Timestamp,
    },
    /// A revocation list of the gateways' authority has ended, so that its gateways are refused, or ends within a day.
    GatewayListEnds {
        /// Its next update is due then.
        next_update: Timestamp,
        /// It has ended already.
        ended: bool,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RevocationOff => {
                f.write_str("revocation is off: a stolen card is accepted until it expires (identity.revocation)")
            }
            Self::RevocationNotConfigured => {
                f.write_str("no revocation is configured: every login is refused (identity.revocation)")
            }
            Self::UnknownRevocationAccepted { issuer } => write!(
                f,
                "where no source answers, a revoked certificate of {} is accepted: whoever can keep answers away gets in with a \
                 stolen card (identity.revocation.issuer.accept_unknown_revocation_status)",
                issuer.as_deref().unwrap_or("all other issuers")
            ),
            Self::Rc4Allowed => f.write_str("rc4 is allowed: a broken cipher is accepted (kerberos.allow_rc4)"),
            Self::WeakMappingAccepted => f.write_str(
                "weak mappings are accepted: whoever can set a upn in a certificate can be anybody (directory.accept_weak_mapping, \
                 directory.strong_mapping.mode)",
            ),
            Self::AnyMappingAccepted => f.write_str(
                "DANGEROUS: every mapping is accepted, of certificates older than the account too: whoever ever had a certificate \
                 with a name is whoever has the name now (directory.strong_mapping.mode)",
            ),
            Self::EveryIssuerNamesSids => f.write_str(
                "every authority of cards is believed about SIDs: name those that take them from the directory and let nobody else \
                 choose them (directory.strong_mapping.enterprise_issuers, or identity.issuers)",
            ),
            Self::SelfServiceAttribute { key, attribute } => write!(
                f,
                "every person may write {attribute} of the own account: with somebody else's value it locks that card out, and a card of \
                 whoever knows the password is tied to the account for good ({key})"
            ),
            Self::NameTakenForStrong { key } => write!(
                f,
                "a name counts as firmly tied to its account: whoever can have a certificate with that name is that person ({key})"
            ),
            Self::AnyMachineIsController => f.write_str(
                "certificates need not name the domain: whoever forges dns and holds the certificate of any machine is believed to be \
                 a domain controller (directory.discovery.certificates_name_domain)",
            ),
            Self::LateRenewal { needed } => write!(
                f,
                "tickets of persons may end early, with the service's own: set at least {} minutes, or nothing (kerberos.renew_before)",
                needed.as_secs().div_ceil(60)
            ),
            Self::SecretIsCopy { key } => write!(
                f,
                "the account's secret is a copy that systemd made at the start: once the password is changed, every login is refused \
                 until a restart, and kerbridge rotate-secret cannot change it; name a file of the service's own ({key})"
            ),
            Self::PresentsWithoutProof { gateway } => write!(
                f,
                "gateway {gateway} presents certificates without proof: a certificate is public, so whoever can speak as this gateway \
                 can log in as anybody (gateway.may_present_without_proof)"
            ),
            Self::GraceOverBeforeNextTry => f.write_str(
                "the grace of live sessions is shorter than the interval in which they are judged: one question about revocation \
                 without an answer ends them (handoff.recheck_grace)",
            ),
            Self::StatusNotLoopback => {
                f.write_str("the status page answers the whole network (health.loopback_only)")
            }
            Self::GroupNotVouched { key, sid } => write!(
                f,
                "no ticket names the group {sid}, which is no domain's: the directory's word alone lets its members in ({key})"
            ),
            Self::CandidateNotTried { problem } => {
                write!(f, "the policies of policy.candidate are NOT TRIED, since they are not sound: {problem}")
            }
            Self::CertificateEnds { key, not_after, ended } => {
                let ends = if *ended { "has ended" } else { "ends" };
                write!(f, "a certificate of {key} {ends} at {not_after}")
            }
            Self::ListFile { path, error } => {
                write!(f, "no revocation list from {}: {error} (identity.revocation.directory)", path.display())
            }
            Self::RevocationListEnded { next_update } => write!(
                f,
                "a revocation list is out of date since {next_update}: its authority's cards are refused (identity.revocation.crls)"
            ),
            Self::GatewayListEnds { next_update, ended } => {
                let (ends, from) = if *ended { ("has ended", "") } else { ("ends", " from then on") };
                write!(
                    f,
                    "a revocation list of the gateways {ends} at {next_update}: its authority's gateways are refused{from} \
                     (gateway_api.client_crls)"
                )
            }
        }
    }
}

/// A warning for each certificate that has ended or is about to.
pub(super) fn about_ends(
    key: &'static str,
    certificates: &[CertificateDer<'_>],
    now: SystemTime,
) -> Vec<Warning> {
    let near = if key.starts_with("identity.") { NEAR_FOR_AUTHORITIES } else { NEAR };
    let soon = now.checked_add(near).unwrap_or(now);
    let (Ok(now), Ok(soon)) = (Timestamp::try_from(now), Timestamp::try_from(soon)) else {
        return Vec::new();
    };
    let ends = certificates.iter().filter_map(|certificate| {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
    });
    ends.filter(|not_after| *not_after < soon)
        .map(|not_after| Warning::CertificateEnds { key, not_after, ended: not_after < now })
        .collect()
}

/// A warning for each of the gateways' revocation lists (DER) that has ended or is about to.
pub(super) fn about_gateway_lists(lists: &[Vec<u8>], now: SystemTime) -> Vec<Warning> {
    let soon = now.checked_add(NEAR_FOR_LISTS).unwrap_or(now);
    let (Ok(now), Ok(soon)) = (Timestamp::try_from(now), Timestamp::try_from(soon)) else {
        return Vec::new();
    };
    let ends = lists.iter().filter_map(|list| {
        let (_, parsed) = CertificateRevocationList::from_der(list).ok()?;
        Timestamp::from_second(parsed.next_update()?.timestamp()).ok()
    });
    ends.filter(|next_update| *next_update < soon)
        .map(|next_update| Warning::GatewayListEnds { next_update, ended: next_update <= now })
        .collect()
}

/// How long before its end a certificate of an authority of cards is spoken of: a new one has to be distributed first.
const NEAR_FOR_AUTHORITIES: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long before its end a certificate is spoken of.
pub(super) const NEAR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Likewise a revocation list: many live for a week only, and are renewed days before their end.
const NEAR_FOR_LISTS: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> CertificateDer<'static> {
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(year, 7, 1);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn at(text: &str) -> SystemTime {
        text.parse::<Timestamp>().unwrap().into()
    }

    #[test]
    fn an_authority_of_cards_is_spoken_of_90_days_before_its_end() {
        let certificates = [certificate(2030)];
        assert_eq!(about_ends("identity.roots", &certificates, at("2030-04-01T00:00:00Z")), []);
        assert_eq!(about_ends("identity.roots", &certificates, at("2030-04-03T00:00:00Z")).len(), 1);
        assert_eq!(about_ends("directory.ca", &certificates, at("2030-04-03T00:00:00Z")), []);
    }

    #[test]
    fn a_certificate_is_spoken_of_a_month_before_its_end_and_after_it() {
        let certificates = [certificate(2030)];
        assert_eq!(about_ends("frontend.certificate", &certificates, at("2030-05-30T00:00:00Z")), []);
        for (now, ended) in [("2030-06-02T00:00:00Z", false), ("2030-07-02T00:00:00Z", true)] {
            let not_after = "2030-07-01T00:00:00Z".parse().unwrap();
            let expected = [Warning::CertificateEnds { key: "frontend.certificate", not_after, ended }];
            assert_eq!(about_ends("frontend.certificate", &certificates, at(now)), expected);
        }
    }
}
