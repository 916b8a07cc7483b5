//! Paths from a card to a configured root: found by signatures, judged by RFC 5280 section 6.1.
//!
//! Building walks from the card upwards. A step is taken only where the issuer's name fits and the issuer's
//! key really made the signature, so that everything judged later (dates, rules, usage, revocation) is said
//! about a chain of the right CA. Each complete chain is validated by certval. All work is bounded, whatever
//! a peer sends.

mod judge;
mod lacking;

use std::collections::{BTreeMap, BTreeSet};

use certval::{CertificationPathSettings, PDVTrustAnchorChoice, PkiEnvironment, compare_names};

use der::asn1::ObjectIdentifier;

use super::certificate::{ParsedCertificate, name_text};
use super::error::{IdentityError, Malformed, Role, Untrusted};
use super::now::Now;
use super::signature::SignatureError;

/// Most certificates of a path, the root not counted.
const MAX_PATH: usize = 10;
/// Most signatures verified while looking for paths.
const MAX_SIGNATURES: usize = 64;
/// Most partial paths looked at.
const MAX_STEPS: usize = 256;
/// Most complete paths judged.
const MAX_JUDGED: usize = 16;

/// What is configured to be believed, ready for any number of cards.
pub(super) struct Trust {
    roots: Vec<Root>,
    intermediates: Vec<ParsedCertificate>,
    policies: PolicyInputs,
    minimum_rsa_bits: usize,
    environment: PkiEnvironment,
}

/// What path validation is told about policies (RFC 5280 section 6.1.1).
#[derive(Clone, Debug, Default)]
pub(super) struct PolicyInputs {
    /// Empty means any.
    pub(super) accepted: Vec<ObjectIdentifier>,
    pub(super) all: bool,
    pub(super) explicit: bool,
    pub(super) inhibit_any: bool,
    pub(super) inhibit_mapping: bool,
}

impl PolicyInputs {
    /// The validations it takes: one for each policy where all are wanted.
    fn runs(&self) -> Vec<Self> {
        if !self.all || self.accepted.len() < 2 {
            return vec![self.clone()];
        }
        self.accepted.iter().map(|policy| Self { accepted: vec![*policy], ..self.clone() }).collect()
    }
}

/// A trust anchor, with the constraints it puts on its paths (RFC 5937).
pub(super) struct Root {
    pub(super) certificate: ParsedCertificate,
    anchor: PDVTrustAnchorChoice,
    settings: CertificationPathSettings,
}

impl Root {
    /// Reads a root and takes over its own constraints.
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, RootError> {
        let certificate = ParsedCertificate::parse(encoded)?;
        if !certificate.is_ca() {
            return Err(RootError::NotCa);
        }
        judge::root(certificate, encoded)
    }
}

/// Why a configured root cannot be one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum RootError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it is not a CA certificate")]
    NotCa,
    #[error("its constraints cannot be enforced")]
    Constraints,
}

/// A complete path whose signatures hold.
pub(super) struct Path<'a> {
    /// The card first, the certificate the root issued last.
    pub(super) certificates: Vec<&'a ParsedCertificate>,
    pub(super) root: &'a Root,
}

impl<'a> Path<'a> {
    /// Every certificate but the root, with its role and the certificate of its issuer; from the card upwards.
    pub(super) fn links(&self) -> impl Iterator<Item = (Role, &'a ParsedCertificate, &'a ParsedCertificate)> {
        let issuers = self.certificates.iter().copied().skip(1).chain([&self.root.certificate]);
        let roles = std::iter::once(Role::Card).chain(std::iter::repeat(Role::Intermediate));
        roles
            .zip(self.certificates.iter().copied().zip(issuers))
            .map(|(role, (subject, issuer))| (role, subject, issuer))
    }

    /// The certificate the path leads to; of a path of the root alone, the root.
    pub(super) fn subject(&self) -> &'a ParsedCertificate {
        self.certificates.first().copied().unwrap_or(&self.root.certificate)
    }

    /// The certificate that issued [`Self::subject`].
    pub(super) fn issuer(&self) -> &'a ParsedCertificate {
        self.certificates.get(1).copied().unwrap_or(&self.root.certificate)
    }

    /// The path without its first `count` certificates.
    pub(super) fn above(&self, count: usize) -> Self {
        let certificates = self.certificates.get(count..).unwrap_or_default().to_vec();
        Self { certificates, root: self.root }
    }

    /// The path to a certificate that [`Self::subject`] issued.
    pub(super) fn below(mut self, certificate: &'a ParsedCertificate) -> Self {
        self.certificates.insert(0, certificate);
        self
    }

    /// How many certificates stand below an authority of the path; `None` where it is not of the path.
    pub(super) fn place_of(&self, authority: &ParsedCertificate) -> Option<usize> {
        let mut authorities =
            self.certificates.iter().copied().chain([&self.root.certificate]).enumerate().skip(1);
        authorities.find(|(_, known)| known.der() == authority.der()).map(|(place, _)| place)
    }

    /// The earliest notAfter of the path, in seconds since 1970.
    pub(super) fn ends(&self) -> u64 {
        let all = self.certificates.iter().copied().chain([&self.root.certificate]);
        all.map(|certificate| certificate.validity().1).min().unwrap_or_default()
    }
}

impl Trust {
    pub(super) fn new(
        roots: Vec<Root>,
        intermediates: Vec<ParsedCertificate>,
        policies: PolicyInputs,
        minimum_rsa_bits: usize,
    ) -> Self {
        Self { roots, intermediates, policies, minimum_rsa_bits, environment: judge::environment() }
    }

    /// The certificates of all configured CAs, roots first.
    pub(super) fn authorities(&self) -> impl Iterator<Item = &ParsedCertificate> {
        self.roots.iter().map(|root| &root.certificate).chain(&self.intermediates)
    }

    /// The configured certificates that are not roots.
    pub(super) fn intermediates(&self) -> &[ParsedCertificate] {
        &self.intermediates
    }

    pub(super) fn minimum_rsa_bits(&self) -> usize {
        self.minimum_rsa_bits
    }

    /// Judges the path of a CRL's signer by RFC 5280 section 6.1, for any policy.
    pub(super) fn judge_signer(&self, path: &Path<'_>, now: Now) -> Result<(), IdentityError> {
        judge::path(&self.environment, path, &PolicyInputs::default(), now).map(drop)
    }

    /// The policies that hold for the path, of those that are accepted.
    fn judge(&self, path: &Path<'_>, now: Now) -> Result<BTreeSet<ObjectIdentifier>, IdentityError> {
        let mut policies = BTreeSet::new();
        for inputs in self.policies.runs() {
            policies.append(&mut judge::path(&self.environment, path, &inputs, now)?);
        }
        Ok(policies)
    }

    /// Finds a path from `card` to a root that RFC 5280 and `accept` both agree to, and returns what `accept`
    /// made of it and of the certificate policies that hold for it. `others` are hints from the peer.
    ///
    /// The others are then looked at `again`, each beside the path that was accepted: what one of them says against a certificate
    /// that both have in common counts, whichever was found first.
    ///
    /// # Errors
    /// Of all paths tried, the refusal of the one that came furthest; or that of `again`.
    pub(super) fn find<'a, T>(
        &'a self,
        card: &'a ParsedCertificate,
        others: &'a [ParsedCertificate],
        now: Now,
        mut accept: impl FnMut(&Path<'a>, BTreeSet<ObjectIdentifier>) -> Result<T, IdentityError>,
        again: impl FnMut(&Path<'a>, &Path<'a>) -> Result<(), IdentityError>,
    ) -> Result<T, IdentityError> {
        let mut search = Search {
            trust: self,
            pool: std::iter::once(card).chain(others).chain(&self.intermediates).collect(),
            hints: others.len(),
            now,
            signatures: MAX_SIGNATURES,
            steps: MAX_STEPS,
            judged: MAX_JUDGED,
            verified: BTreeMap::new(),
            named: BTreeMap::new(),
            without_hints_but: None,
            furthest: Untrusted::NoPath {
                certificate: card.id(Role::Card),
                issuer: name_text(card.issuer()),
            }
            .into(),
        };
        let found = search.walk(&mut vec![0], &mut |search, chain, root| {
            let accepted =
                search.judge(chain, root).and_then(|(path, policies)| Ok((accept(&path, policies)?, path)));
            accepted.map_err(|refusal| search.note(refusal)).ok().map(|accepted| (accepted, chain.to_vec()))
        });
        let Some(((accepted, path), chain)) = found else { return Err(search.furthest) };
        search.look_again(&path, chain, again)?;
        Ok(accepted)
    }
}

/// Whose key may have signed: an index into the pool, or one into the roots.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Issuer {
    Pool(usize),
    Root(usize),
}

/// One search. Certificates are named by their index in the pool; the card is 0, the hints of the peer follow.
struct Search<'a> {
    trust: &'a Trust,
    pool: Vec<&'a ParsedCertificate>,
    hints: usize,
    now: Now,
    signatures: usize,
    steps: usize,
    judged: usize,
    verified: BTreeMap<(usize, Issuer), bool>,
    /// For a certificate, those that bear its issuer's name, the likeliest first: computed once, since there may be
    /// thousands of intermediates.
    named: BTreeMap<usize, Vec<usize>>,
    /// Hints of the peer are passed over, but for these.
    without_hints_but: Option<Vec<usize>>,
    furthest: IdentityError,
}

impl<'a> Search<'a> {
    /// Tries every way to go on from the last certificate of `chain`, until `visit` has found something on a complete one;
    /// recursion ends at [`MAX_PATH`].
    fn walk<R>(
        &mut self,
        chain: &mut Vec<usize>,
        visit: &mut impl FnMut(&mut Self, &[usize], &'a Root) -> Option<R>,
    ) -> Option<R> {
        if !take(&mut self.steps) {
            self.note(Untrusted::WorkLimit.into());
            return None;
        }
        let trust = self.trust;
        let child = *chain.last()?;
        for (index, root) in trust.roots.iter().enumerate() {
            if self.signed_by(child, Issuer::Root(index))
                && let Some(found) = visit(self, chain, root)
            {
                return Some(found);
            }
        }
        if chain.len() >= MAX_PATH {
            return None;
        }
        for next in self.candidates(chain) {
            if self.signatures == 0 {
                self.note(Untrusted::WorkLimit.into());
                return None;
            }
            if self.signed_by(child, Issuer::Pool(next)) {
                chain.push(next);
                let found = self.walk(chain, visit);
                chain.pop();
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Looks at the paths beside the accepted one, with as much work again: first at those that the configuration makes, so that
    /// no peer can use it up.
    fn look_again(
        &mut self,
        accepted: &Path<'a>,
        chain: Vec<usize>,
        mut again: impl FnMut(&Path<'a>, &Path<'a>) -> Result<(), IdentityError>,
    ) -> Result<(), IdentityError> {
        (self.signatures, self.steps, self.judged) = (MAX_SIGNATURES, MAX_STEPS, MAX_JUDGED);
        let mut seen = vec![(chain.clone(), std::ptr::from_ref(accepted.root))];
        for without_hints_but in [Some(chain), None] {
            self.without_hints_but = without_hints_but;
            let refused = self.walk(&mut vec![0], &mut |search, chain, root| {
                let this = (chain.to_vec(), std::ptr::from_ref(root));
                if seen.contains(&this) {
                    return None;
                }
                seen.push(this);
                again(&search.judge(chain, root).ok()?.0, accepted).err()
            });
            if let Some(refused) = refused {
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Certificates that may have issued the last one of `chain`, the likeliest first. One whose subject and key
    /// are in the chain already would only go round in a circle.
    fn candidates(&mut self, chain: &[usize]) -> Vec<usize> {
        let Some(child) = chain.last() else { return Vec::new() };
        if !self.named.contains_key(child) {
            let named = self.named_as_issuer_of(*child);
            self.named.insert(*child, named);
        }
        let at = |index: &usize| self.pool.get(*index).copied();
        let known: Vec<&ParsedCertificate> = chain.iter().filter_map(at).collect();
        let goes_on = |candidate: &ParsedCertificate| {
            !known.iter().any(|seen| {
                seen.spki() == candidate.spki() && compare_names(seen.subject(), candidate.subject())
            })
        };
        let is_meant = |index: &usize| match &self.without_hints_but {
            Some(taken) => *index > self.hints || taken.contains(index),
            None => true,
        };
        let named = self.named.get(child).into_iter().flatten().copied();
        named.filter(|index| is_meant(index) && at(index).is_some_and(goes_on)).collect()
    }

    fn named_as_issuer_of(&self, child: usize) -> Vec<usize> {
        let Some(child) = self.pool.get(child) else { return Vec::new() };
        let fits = |candidate: &ParsedCertificate| compare_names(candidate.subject(), child.issuer());
        let fitting = self.pool.iter().enumerate().skip(1).filter(|(_, candidate)| fits(candidate));
        let (mut likely, rest): (Vec<_>, Vec<_>) =
            fitting.partition(|(_, candidate)| child.names_key_of(candidate));
        likely.extend(rest);
        // More cannot be tried: each costs a signature.
        likely.into_iter().map(|(index, _)| index).take(MAX_SIGNATURES + MAX_PATH).collect()
    }

    /// Whether the issuer's name and key fit the certificate at `child`. Each pair is computed once, but for one that there was no
    /// work left for.
    fn signed_by(&mut self, child: usize, issuer: Issuer) -> bool {
        if let Some(known) = self.verified.get(&(child, issuer)) {
            return *known;
        }
        let holds = self.verify(child, issuer);
        if holds || self.signatures > 0 {
            self.verified.insert((child, issuer), holds);
        }
        holds
    }

    fn verify(&mut self, child: usize, issuer: Issuer) -> bool {
        let role = if child == 0 { Role::Card } else { Role::Intermediate };
        let (issuer, issuer_role) = match issuer {
            Issuer::Pool(index) => (self.pool.get(index).copied(), Role::Intermediate),
            Issuer::Root(index) => (self.trust.roots.get(index).map(|root| &root.certificate), Role::Root),
        };
        let (Some(child), Some(issuer)) = (self.pool.get(child).copied(), issuer) else { return false };
        if !compare_names(issuer.subject(), child.issuer()) {
            return false;
        }
        let minimum_rsa_bits = self.trust.minimum_rsa_bits;
        if !issuer.key().is_at_least(minimum_rsa_bits) {
            let certificate = issuer.id(issuer_role);
            self.note(Untrusted::WeakKey { certificate, key: issuer.key(), minimum_rsa_bits }.into());
            return false;
        }
        if !take(&mut self.signatures) {
            self.note(Untrusted::WorkLimit.into());
            return false;
        }
        match child.verify_signature(issuer) {
            Ok(()) => true,
            Err(SignatureError::Mismatch) => false,
            Err(SignatureError::Algorithm) => {
                let algorithm = child.signature_algorithm();
                self.note(Untrusted::SignatureAlgorithm { certificate: child.id(role), algorithm }.into());
                false
            }
        }
    }

    /// Validates a complete path; with it come the certificate policies that hold for it.
    fn judge(
        &mut self,
        chain: &[usize],
        root: &'a Root,
    ) -> Result<(Path<'a>, BTreeSet<ObjectIdentifier>), IdentityError> {
        if !take(&mut self.judged) {
            return Err(Untrusted::WorkLimit.into());
        }
        let certificates = chain.iter().filter_map(|index| self.pool.get(*index).copied()).collect();
        let path = Path { certificates, root };
        let policies = self.trust.judge(&path, self.now)?;
        Ok((path, policies))
    }

    fn note(&mut self, refusal: IdentityError) {
        if refusal.rank() > self.furthest.rank() {
            self.furthest = refusal;
        }
    }
}

/// Takes one from a budget; false when it is spent.
pub(super) fn take(budget: &mut usize) -> bool {
    match budget.checked_sub(1) {
        Some(left) => {
            *budget = left;
            true
        }
        None => false,
    }
}
