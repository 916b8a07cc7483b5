//! The first step: from a chain to a [`ValidatedIdentity`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use jiff::Timestamp;
use ldap_map::certificate::CertificateFacts;
use rand_core::CryptoRng;

use super::bundle::Bundle;
use super::certificate::{ParsedCertificate, name_text, timestamp};
use super::crl_store::CrlStore;
use super::ending::{self, ListState};
use super::error::{IdentityError, Malformed, Role, Untrusted};
use super::evidence::RevocationEvidence;
use super::hints;
use super::inquiry::{Inquiry, Memory};
use super::issuer_store::IssuerStore;
use super::now::Now;
use super::path::Path;
use super::peer_certificates::PeerCertificates;
use super::revocation::{
    AtHand, Crl, CrlSummary, Gathered, Inquest, OcspResponse, Question, SourceFault, newest_first,
};
use super::settings::{Compiled, Settings, SettingsError, compile};
use super::validated_identity::{Check, CheckName, ValidatedIdentity};

/// Most rounds in which certificates of issuers are fetched for one chain: each leads one step further up.
const MAX_ISSUER_ROUNDS: usize = 4;

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

/// Judges chains against one configuration. Shared by all logins; reads no clock, and does no I/O but what
/// [`Self::validate`] asks for.
pub struct Validator {
    compiled: Arc<Compiled>,
    rules: Settings,
    inquiry: Inquiry,
    bundle: Option<Arc<Bundle>>,
    list_warning: Option<Duration>,
    issuers: Option<Arc<IssuerStore>>,
}

/// What a decision over what is known comes to.
pub(super) struct Decision {
    pub(super) outcome: Result<ValidatedIdentity, IdentityError>,
    pub(super) inquest: Inquest,
}

impl Decision {
    /// What must be asked before the outcome is final; nothing where it is.
    pub(super) fn open_questions(&mut self) -> Vec<Question> {
        let is_final = match &self.outcome {
            Ok(_) => true,
            Err(IdentityError::Revoked { certificate, .. }) => certificate.role == Role::Card,
            Err(_) => false,
        };
        if is_final { Vec::new() } else { std::mem::take(&mut self.inquest.questions) }
    }
}

impl Validator {
    /// Reads roots, intermediates and CRLs once.
    ///
    /// # Errors
    /// All problems of the settings, each with its place.
    pub fn new(settings: Settings, now: SystemTime) -> Result<Self, SettingsError> {
        let rules = settings.rules();
        let fetcher = Arc::clone(&settings.fetcher);
        let inquiry = Inquiry::new(settings.inquiry, Arc::clone(&fetcher), settings.crl_store);
        let issuer_fetch = settings.issuer_fetch.clone();
        let issuers = issuer_fetch.map(|settings| Arc::new(IssuerStore::new(fetcher, settings)));
        let (bundle, list_warning) = (settings.bundle.clone(), settings.list_warning);
        Ok(Self {
            compiled: Arc::new(compile(settings, now)?),
            rules,
            inquiry,
            bundle,
            list_warning,
            issuers,
        })
    }

    /// The same, with what another one has learnt from responders and directories, as far as this one believes it.
    #[must_use]
    pub fn remembering(&self, other: &Self) -> Self {
        let (compiled, rules) = (Arc::clone(&self.compiled), self.rules.clone());
        let inquiry = self.inquiry.remembering(&other.inquiry);
        // What is in use of the directory's files may be no longer in them.
        let known =
            |own: &Arc<Bundle>| other.bundle.clone().filter(|known| known.directory() == own.directory());
        let bundle = self.bundle.as_ref().map(|own| known(own).unwrap_or_else(|| Arc::clone(own)));
        let (list_warning, issuers) = (self.list_warning, self.issuers.clone());
        Self { compiled, rules, inquiry, bundle, list_warning, issuers }
    }

    /// What is asked about revocation, and how that goes.
    #[must_use]
    pub fn memory(&self) -> Arc<Memory> {
        self.inquiry.memory()
    }

    /// The lists that were fetched.
    #[must_use]
    pub fn store(&self) -> Arc<CrlStore> {
        Arc::clone(self.inquiry.store())
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
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<ValidatedIdentity, IdentityError> {
        // One for all of it: whoever waits for a login does not care what of it is slow.
        let mut over = pin!(self.inquiry.time());
        let mut outcome = self.inquiry.settle(self, peer, now, rng, over.as_mut()).await;
        let Some(issuers) = &self.issuers else { return outcome };
        let (mut peer, mut asked) = (peer.clone(), Vec::new());
        for _ in 0..MAX_ISSUER_ROUNDS {
            if !matches!(&outcome, Err(IdentityError::Untrusted(Untrusted::NoPath { .. }))) {
                break;
            }
            let urls = self.lacking(&peer, issuers.settings().max_urls, &mut asked);
            let obtained = tokio::select! {
                biased;
                obtained = issuers.obtain(&urls, now) => obtained,
                // What is under way goes on, for the next one who asks.
                () = over.as_mut() => return outcome,
            };
            let Some(more) = peer.with(obtained) else { break };
            peer = more;
            let settled = self.inquiry.settle(self, &peer, now, rng, over.as_mut()).await;
            outcome = settled.map(|held| held.by(peer.clone()));
        }
        if matches!(&outcome, Err(IdentityError::Untrusted(Untrusted::NoPath { .. }))) {
            issuers.doubt(&asked);
        }
        outcome
    }

    /// Where issuers of a chain may be found that nobody has been asked about; `asked` are the URLs so far.
    fn lacking(&self, peer: &PeerCertificates, most: usize, asked: &mut Vec<String>) -> Vec<String> {
        let Ok(card) = ParsedCertificate::parse(peer.card()) else { return Vec::new() };
        let others: Vec<ParsedCertificate> =
            peer.others().iter().filter_map(|other| ParsedCertificate::parse(other).ok()).collect();
        let mut urls = self.compiled.trust.lacking(&card, &others, most);
        urls.retain(|url| !asked.contains(url));
        urls.truncate(most.saturating_sub(asked.len()));
        asked.extend_from_slice(&urls);
        urls
    }

    /// Asks again what was asked for cards that were seen lately and whose answers are about to end, so that the next login
    /// finds new ones. Returns for how many cards that was done.
    pub async fn refresh(&self, now: SystemTime, rng: &mut (impl CryptoRng + Send)) -> usize {
        self.inquiry.refresh(self, now, rng).await
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
        let mut gathered = Gathered::default();
        loop {
            let mut decision = self.decide(peer, now, &gathered, held);
            match decision.open_questions() {
                none if none.is_empty() => return decision.outcome,
                questions => gathered.fail(questions, &SourceFault::Offline),
            }
        }
    }

    /// Decides over what has been gathered so far. Each question is new: once all that can be asked is answered, there is
    /// none.
    pub(super) fn decide(
        &self,
        peer: &PeerCertificates,
        now: SystemTime,
        gathered: &Gathered,
        held: &mut Vec<Check>,
    ) -> Decision {
        let mut inquest = Inquest::default();
        let outcome = self.decided(peer, now, gathered, held, &mut inquest);
        Decision { outcome, inquest }
    }

    fn decided(
        &self,
        peer: &PeerCertificates,
        now: SystemTime,
        gathered: &Gathered,
        held: &mut Vec<Check>,
        inquest: &mut Inquest,
    ) -> Result<ValidatedIdentity, IdentityError> {
        let now = Now::new(now)?;
        let malformed = |problem| IdentityError::Malformed { which: Role::Card, problem };
        let card = ParsedCertificate::parse(peer.card()).map_err(malformed)?;
        // Hints only: one that cannot be read leads nowhere and harms nobody.
        let others: Vec<ParsedCertificate> =
            peer.others().iter().filter_map(|other| ParsedCertificate::parse(other).ok()).collect();
        let stapled: Vec<OcspResponse> =
            peer.stapled().iter().filter_map(|one| OcspResponse::parse(one).ok()).collect();
        let files = self.files();
        let at_hand = AtHand { files: &files, hints: &others, gathered, stapled: &stapled };
        let inquest = RefCell::new(inquest);
        let accept = |path: &Path<'_>, policies| {
            let mut checks = Vec::new();
            let examined = self.accept(path, at_hand, now, &mut checks, &mut inquest.borrow_mut());
            if examined.is_err() && checks.len() > held.len() {
                held.clone_from(&checks);
            }
            examined.map(|revocation| (checks, revocation, path.ends(), issuer_sha1(path), policies))
        };
        let again = |path: &Path<'_>, accepted: &Path<'_>| {
            let Compiled { revocation, trust, .. } = &*self.compiled;
            revocation.check_again(path, accepted, trust, at_hand, now, &mut inquest.borrow_mut())
        };
        let found = self.compiled.trust.find(&card, &others, now, accept, again);
        let (checks, revocation, ends, issuer_sha1, policies) =
            found.map_err(|error| self.compiled.rules.name_slot(error, &card))?;
        let facts =
            CertificateFacts::parse(card.der()).map_err(|error| malformed(Malformed::Facts(error)))?;
        Ok(ValidatedIdentity::new(
            facts,
            sha256(card.der()),
            issuer_sha1,
            checks,
            revocation,
            timestamp(ends),
        )
        .under(policies.iter().map(ToString::to_string).collect()))
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

    /// The CRLs that are loaded from files.
    #[must_use]
    pub fn crls(&self) -> Vec<CrlSummary> {
        self.files().iter().map(|crl| crl.summary()).collect()
    }

    /// How near the ends are of the lists of files.
    ///
    /// # Errors
    /// The clock is unusable.
    pub fn list_states(&self, now: SystemTime) -> Result<Vec<ListState>, IdentityError> {
        Ok(ending::states(&self.files(), self.list_warning, Now::new(now)?))
    }

    /// The directory of lists, to be looked at again and again.
    #[must_use]
    pub fn bundle(&self) -> Option<Arc<Bundle>> {
        self.bundle.clone()
    }

    /// The lists of the configured files and of the directory, the newest first.
    fn files(&self) -> Cow<'_, [Arc<Crl>]> {
        let own = self.compiled.revocation.lists();
        let Some(bundle) = &self.bundle else { return Cow::Borrowed(own) };
        let mut all = [own, &bundle.lists()].concat();
        newest_first(&mut all);
        Cow::Owned(all)
    }

    /// Usage and revocation of a path that RFC 5280 accepts.
    fn accept<'a>(
        &'a self,
        path: &Path<'a>,
        at_hand: AtHand<'a>,
        now: Now,
        checks: &mut Vec<Check>,
        inquest: &mut Inquest,
    ) -> Result<RevocationEvidence, IdentityError> {
        checks.push(Check::new(CheckName::Path, path_text(path)));
        let until = format!("all certificates until {}", timestamp(path.ends()));
        checks.push(Check::new(CheckName::Validity, until));
        self.compiled.rules.check(path, checks)?;
        let Compiled { revocation, trust, .. } = &*self.compiled;
        let evidence = revocation.check(path, trust, at_hand, now, inquest)?;
        checks.push(Check::new(CheckName::Revocation, evidence.to_string()));
        Ok(evidence)
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

/// The thumbprint of the certificate that issued the card: what Windows' name rules know an authority by.
fn issuer_sha1(path: &Path<'_>) -> [u8; 20] {
    let issuer = path.certificates.get(1).copied().unwrap_or(&path.root.certificate);
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, issuer.der());
    digest.as_ref().try_into().expect("a SHA-1 digest has 20 octets")
}

pub(super) fn sha256(octets: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, octets);
    digest.as_ref().try_into().expect("a SHA-256 digest has 32 octets")
}
