//! The first step: from a chain to a [`ValidatedIdentity`].

use std::time::SystemTime;

use aws_lc_rs::digest;
use jiff::Timestamp;
use ldap_map::certificate::CertificateFacts;
use rand_core::CryptoRng;

use super::certificate::{ParsedCertificate, name_text, timestamp};
use super::error::{IdentityError, Malformed, Role};
use super::hints;
use super::now::Now;
use super::path::Path;
use super::peer_certificates::PeerCertificates;
use super::revocation::{Checker, CrlSummary};
use super::settings::{Compiled, Settings, SettingsError, compile};
use super::validated_identity::{Check, CheckName, ValidatedIdentity};

/// A configured CA, for metrics and warnings before it ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthoritySummary {
    /// Its name, RFC 4514.
    pub subject: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// Its end.
    pub not_after: Timestamp,
}

/// Judges chains against one configuration. Shared by all logins; does no I/O and reads no clock.
pub struct Validator {
    compiled: Compiled,
    rules: Settings,
}

impl Validator {
    /// Reads roots, intermediates and CRLs once.
    ///
    /// # Errors
    /// All problems of the settings, each with its place.
    pub fn new(settings: Settings, now: SystemTime) -> Result<Self, SettingsError> {
        let rules = settings.rules();
        Ok(Self { compiled: compile(settings, now)?, rules })
    }

    /// Decides whether a chain proves who is there, for everybody who logs in: what the settings say is asked.
    ///
    /// `rng` gives the nonces of questions.
    ///
    /// # Errors
    /// As of [`Self::judge`].
    pub async fn validate(
        &self,
        peer: &PeerCertificates,
        now: SystemTime,
        _rng: &mut (impl CryptoRng + Send),
    ) -> Result<ValidatedIdentity, IdentityError> {
        self.judge(peer, now)
    }

    /// Decides by what is at hand whether a chain proves who is there; nobody is asked.
    ///
    /// In order: a path of true signatures to a configured root; dates, constraints, policies and critical
    /// extensions of that path (RFC 5280 section 6.1); the card's usage; revocation of every certificate but
    /// the root (section 6.3); the facts of the card.
    ///
    /// # Errors
    /// The first check that fails, on the path that came furthest.
    pub fn judge(
        &self,
        peer: &PeerCertificates,
        now: SystemTime,
    ) -> Result<ValidatedIdentity, IdentityError> {
        self.explain(peer, now, &mut Vec::new())
    }

    /// The same, for somebody who asks why not: where the chain is refused, `held` are the checks that held before, on
    /// the path that came furthest.
    ///
    /// # Errors
    /// As of [`Self::judge`].
    pub fn explain(
        &self,
        peer: &PeerCertificates,
        now: SystemTime,
        held: &mut Vec<Check>,
    ) -> Result<ValidatedIdentity, IdentityError> {
        let now = Now::new(now)?;
        let malformed = |problem| IdentityError::Malformed { which: Role::Card, problem };
        let card = ParsedCertificate::parse(peer.card()).map_err(malformed)?;
        // Hints only: one that cannot be read leads nowhere and harms nobody.
        let others: Vec<ParsedCertificate> =
            peer.others().iter().filter_map(|other| ParsedCertificate::parse(other).ok()).collect();
        let found = self.compiled.trust.find(&card, &others, now, |path| {
            let mut checks = Vec::new();
            let ends = self.accept(path, &others, now, &mut checks);
            if ends.is_err() && checks.len() > held.len() {
                held.clone_from(&checks);
            }
            ends.map(|ends| (checks, ends))
        });
        let (checks, ends) = found.map_err(|error| self.compiled.rules.name_slot(error, &card))?;
        let facts =
            CertificateFacts::parse(card.der()).map_err(|error| malformed(Malformed::Facts(error)))?;
        Ok(ValidatedIdentity::new(facts, sha256(card.der()), checks, timestamp(ends)))
    }

    /// DER subject names of the CAs that issue cards, for the CertificateRequest of the handshake; each once.
    #[must_use]
    pub fn ca_names(&self) -> Vec<Vec<u8>> {
        hints::names(&self.compiled.trust, &self.compiled.rules.issuers)
    }

    /// The rules alone: settings without any certificate or source of revocation.
    #[must_use]
    pub fn rules(&self) -> &Settings {
        &self.rules
    }

    /// The configured CAs, roots first.
    #[must_use]
    pub fn authorities(&self) -> Vec<AuthoritySummary> {
        let summary = |authority: &ParsedCertificate| AuthoritySummary {
            subject: name_text(authority.subject()),
            serial: authority.serial().to_string(),
            not_after: timestamp(authority.validity().1),
        };
        self.compiled.trust.authorities().map(summary).collect()
    }

    /// The CRLs that are loaded.
    #[must_use]
    pub fn crls(&self) -> Vec<CrlSummary> {
        let Checker::Lists { crls, .. } = &self.compiled.revocation else { return Vec::new() };
        crls.iter().map(super::revocation::Crl::summary).collect()
    }

    /// Usage and revocation of a path that RFC 5280 accepts.
    fn accept<'a>(
        &'a self,
        path: &Path<'a>,
        others: &'a [ParsedCertificate],
        now: Now,
        checks: &mut Vec<Check>,
    ) -> Result<u64, IdentityError> {
        checks.push(Check::new(CheckName::Path, path_text(path)));
        let until = format!("all certificates until {}", timestamp(path.ends()));
        checks.push(Check::new(CheckName::Validity, until));
        self.compiled.rules.check(path, checks)?;
        let evidence = self.compiled.revocation.check(path, &self.compiled.trust, others, now)?;
        checks.push(Check::new(CheckName::Revocation, evidence));
        Ok(path.ends())
    }
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator").finish_non_exhaustive()
    }
}

fn path_text(path: &Path<'_>) -> String {
    let names: Vec<String> = path
        .certificates
        .iter()
        .copied()
        .chain([&path.root.certificate])
        .map(|certificate| format!("{:?}", name_text(certificate.subject())))
        .collect();
    format!("{}, {} signatures verified", names.join(" issued by "), path.certificates.len())
}

pub(super) fn sha256(octets: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, octets);
    digest.as_ref().try_into().expect("a SHA-256 digest has 32 octets")
}
