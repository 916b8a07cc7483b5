//! Whether a certificate is revoked: an OCSP answer where there is one, else RFC 5280 section 6.3.3 over the lists at hand.
//!
//! A list may be signed by another key than the certificate, by a certificate of the list's issuer: after a change of
//! keys, by a key for lists alone, or by the issuer of indirect lists. Such a signer is believed only where it stands
//! below an authority of the path in question (RFC 5280 asks for the same root, which would let any subordinate CA
//! that takes another's name answer for it), where its path is valid, and where it is itself not revoked. A signer
//! whose status is just being decided counts as good meanwhile: a key that was rolled over is covered by lists of its
//! own. All work is counted, not timed.

use std::sync::Arc;

use certval::compare_names;
use x509_cert::ext::pkix::KeyUsages;

use super::super::certificate::{ParsedCertificate, name_text, timestamp};
use super::super::error::{IdentityError, Role};
use super::super::evidence::{Basis, CertificateEvidence, EvidenceKind, ReliedOn};
use super::super::now::Now;
use super::super::path::{Path, Trust, take};
use super::gap::{GapCause, OcspGap, RevocationGap};
use super::gathered::{Gathered, Inquest};
use super::ocsp::{Answer, OcspResponse, OcspStatus};
use super::order::Plans;
use super::scope::{Point, Reasons};
use super::{Crl, CrlScope, Entry, Reason};

/// Most signatures verified for the revocation of one path.
const MAX_SIGNATURES: usize = 64;
/// Most pairs of a distribution point and a list, or of a list and a possible signer, looked at for one path.
const MAX_STEPS: usize = 16 * 1024;
/// Most signers that are decided for one another.
const MAX_DEPTH: usize = 4;
/// Most certificates between a signer of indirect lists and an authority of the path.
const MAX_SIGNER_PATH: usize = 4;

/// How far a responder's or an authority's clock may be ahead, in seconds.
const CLOCK_SKEW: u64 = 60;

/// Where the examination looks.
#[derive(Clone, Copy)]
pub(super) enum Sources<'a> {
    /// Into these, responses first.
    Files {
        /// The newest first.
        crls: &'a [Arc<Crl>],
        responses: &'a [OcspResponse],
    },
    /// Into what has been gathered, in the order that is declared for the issuer.
    Ordered(Ordered<'a>),
}

/// What an examination in a declared order has.
#[derive(Clone, Copy)]
pub(super) struct Ordered<'a> {
    pub(super) plans: &'a Plans,
    /// The newest first.
    pub(super) files: &'a [Arc<Crl>],
    pub(super) gathered: &'a Gathered,
    pub(super) stapled: &'a [OcspResponse],
}

/// How old a list or an answer may be.
#[derive(Clone, Copy)]
pub(super) enum Currency {
    /// It has not ended.
    Current,
    /// It was true at most so many seconds ago, whether it has ended or not.
    NoOlderThan(u64),
}

/// Why lists do not show that a certificate is not revoked.
pub(super) enum Halt {
    Revoked(IdentityError),
    Unknown(GapCause),
}

/// The examination of one path.
pub(super) struct Examination<'a> {
    sources: Sources<'a>,
    trust: &'a Trust,
    /// Certificates that the peer sent beside its own; hints only.
    hints: &'a [ParsedCertificate],
    path: Path<'a>,
    now: Now,
    signatures: usize,
    steps: usize,
    /// The signers that are being decided, outermost first.
    pending: Vec<&'a ParsedCertificate>,
    pub(super) inquest: Inquest,
}

impl<'a> Examination<'a> {
    pub(super) fn new(
        sources: Sources<'a>,
        trust: &'a Trust,
        hints: &'a [ParsedCertificate],
        path: &Path<'a>,
        now: Now,
    ) -> Self {
        let (path, signatures, steps) = (path.above(0), MAX_SIGNATURES, MAX_STEPS);
        let inquest = Inquest::default();
        Self { sources, trust, hints, path, now, signatures, steps, pending: Vec::new(), inquest }
    }

    /// Decides on the first certificate of `line`, which was issued by the one behind it.
    pub(super) fn status(
        &mut self,
        role: Role,
        line: &Path<'a>,
    ) -> Result<CertificateEvidence, IdentityError> {
        match self.sources {
            Sources::Ordered(ordered) => self.by_order(role, line, ordered),
            Sources::Files { crls, responses } => {
                let relied = self.by_files(role, line, crls, responses)?;
                Ok(evidence(role, line.subject(), Basis::Sources(relied)))
            }
        }
    }

    /// Refuses the first certificate of `line` if anything at hand says that it is revoked; nobody is asked whether it is good.
    pub(super) fn not_revoked_at_hand(&mut self, role: Role, line: &Path<'a>) -> Result<(), IdentityError> {
        match self.sources {
            Sources::Ordered(ordered) => match ordered.plans.of(line.subject().issuer()) {
                Some(plan) => self.not_revoked_by_any(role, line, plan, ordered),
                None => Ok(()),
            },
            Sources::Files { crls, responses } => match self.by_files(role, line, crls, responses) {
                Err(refused) if refused.is_revocation() => Err(refused),
                _ => Ok(()),
            },
        }
    }

    fn by_files(
        &mut self,
        role: Role,
        line: &Path<'a>,
        crls: &'a [Arc<Crl>],
        responses: &'a [OcspResponse],
    ) -> Result<Vec<ReliedOn>, IdentityError> {
        let mut furthest = GapCause::NoCrl;
        match self.ocsp(responses, line, Currency::Current) {
            Ok(None) => {}
            Ok(Some((OcspStatus::Revoked { reason, since }, _))) => {
                return Err(revoked(role, line.subject(), reason, since));
            }
            Ok(Some((_, answer))) => return Ok(vec![answer]),
            Err(cause) => furthest = cause,
        }
        match self.by_lists(role, line, crls, Currency::Current) {
            Ok(relied) => Ok(relied),
            Err(Halt::Revoked(error)) => Err(error),
            Err(Halt::Unknown(cause)) => {
                further(&mut furthest, cause);
                Err(unknown(role, line.subject(), furthest))
            }
        }
    }

    /// RFC 5280 section 6.3.3 over these lists, the newest of which comes first.
    ///
    /// What a list says that has ended, but is newer than the one that would be relied on, counts against a certificate
    /// and never for it: a list that was issued out of turn may end before the one it corrects.
    pub(super) fn by_lists(
        &mut self,
        role: Role,
        line: &Path<'a>,
        crls: &'a [Arc<Crl>],
        currency: Currency,
    ) -> Result<Vec<ReliedOn>, Halt> {
        let certificate = line.subject();
        let mut furthest = GapCause::NoCrl;
        let points = Point::all_of(certificate).ok_or(Halt::Unknown(GapCause::DistributionPoints))?;
        let (mut relied, mut seen) = (Vec::new(), Reasons::NONE);
        let mut unsettled = None;
        for point in &points {
            for crl in crls {
                if !take(&mut self.steps) {
                    return Err(Halt::Unknown(GapCause::WorkLimit));
                }
                if !point.is_issued_by(crl.issuer(), certificate.issuer()) {
                    continue;
                }
                let covered = match self.covered(crl, certificate, point, currency) {
                    // Nothing new to learn; of two lists of one scope the newer has been asked.
                    Ok(covered) if seen.contains(covered) => continue,
                    Ok(covered) => covered,
                    Err(cause) => {
                        if seen == Reasons::NONE
                            && has_ended(&cause)
                            && let Some(Entry { reason, since, .. }) = entry(crl, None, certificate)
                        {
                            match self.signer(crl, line) {
                                Ok(_) => {
                                    return Err(Halt::Revoked(revoked(role, certificate, reason, since)));
                                }
                                Err(cause) => unsettled = unsettled.or_else(|| said_revoked(&cause)),
                            }
                        }
                        further(&mut furthest, cause);
                        continue;
                    }
                };
                let found = self.signer(crl, line);
                let delta = match found.and_then(|signer| self.delta(crls, crl, signer, line, currency)) {
                    Ok(delta) => delta,
                    Err(cause) => {
                        if names(crls, crl, certificate) {
                            unsettled = unsettled.or_else(|| said_revoked(&cause));
                        }
                        further(&mut furthest, cause);
                        continue;
                    }
                };
                if let Some(Entry { reason, since, .. }) = entry(crl, delta, certificate) {
                    return Err(Halt::Revoked(revoked(role, certificate, reason, since)));
                }
                relied.push(list_evidence(crl));
                relied.extend(delta.map(list_evidence));
                seen = seen.or(covered);
                if seen.contains(Reasons::ALL) {
                    return unsettled.map_or(Ok(relied), |cause| Err(Halt::Unknown(cause)));
                }
            }
        }
        if seen != Reasons::NONE {
            further(&mut furthest, GapCause::SomeReasons);
        }
        Err(Halt::Unknown(unsettled.unwrap_or(furthest)))
    }

    /// What OCSP responses say of the first certificate of `line`: revoked or good; `None` where none is about it.
    pub(super) fn ocsp(
        &mut self,
        responses: impl IntoIterator<Item = &'a OcspResponse>,
        line: &Path<'a>,
        currency: Currency,
    ) -> Result<Option<(OcspStatus, ReliedOn)>, GapCause> {
        let (mut good, mut gap, mut unsettled) = (None, None, None);
        for response in responses {
            for answer in response.answers(line.subject(), line.issuer()) {
                if !take(&mut self.steps) {
                    return Err(GapCause::WorkLimit);
                }
                let usable = current_answer(response, answer, currency, self.now).map_err(GapCause::from);
                match usable.and_then(|relied| self.responder(response, line).map(|()| relied)) {
                    Ok(_) if answer.status == OcspStatus::Unknown => gap = Some(OcspGap::Unknown.into()),
                    Ok(relied) if answer.status == OcspStatus::Good => {
                        good = Some((OcspStatus::Good, relied))
                    }
                    Ok(relied) => return Ok(Some((answer.status, relied))),
                    Err(cause) if answer.is_revocation() => {
                        unsettled = unsettled.or_else(|| said_revoked(&cause));
                        gap = Some(cause);
                    }
                    Err(cause) => gap = Some(cause),
                }
            }
        }
        if let Some(said_revoked) = unsettled {
            return Err(said_revoked);
        }
        match (good, gap) {
            (Some(good), _) => Ok(Some(good)),
            (None, Some(gap)) => Err(gap),
            (None, None) => Ok(None),
        }
    }

    /// Whether a response is signed by the issuer of the certificate it is about, or by a responder that this issuer
    /// certified for it (RFC 6960 section 4.2.2.2).
    fn responder(&mut self, response: &'a OcspResponse, line: &Path<'a>) -> Result<(), GapCause> {
        if !take(&mut self.signatures) {
            return Err(GapCause::WorkLimit);
        }
        if response.is_signed_by(line.issuer()) {
            return Ok(());
        }
        for pinned in self.pinned(line.subject()) {
            if !pinned.key().is_at_least(self.trust.minimum_rsa_bits()) {
                continue;
            }
            if !take(&mut self.signatures) {
                return Err(GapCause::WorkLimit);
            }
            if response.is_signed_by(pinned) {
                return self.pinned_is_valid(pinned);
            }
        }
        let mut closest: Option<GapCause> = None;
        for candidate in response.certificates().iter().chain(self.trust.intermediates()) {
            let certified = candidate.key().is_at_least(self.trust.minimum_rsa_bits())
                && candidate.may_sign_ocsp()
                && self.issued(candidate, line.issuer())?;
            if !certified {
                continue;
            }
            if !take(&mut self.signatures) {
                return Err(GapCause::WorkLimit);
            }
            if response.is_signed_by(candidate) {
                // Another certificate of the same key may be good though this one is not.
                match self.delegate(candidate, &line.above(1).below(candidate)) {
                    Err(GapCause::WorkLimit) => return Err(GapCause::WorkLimit),
                    Err(cause) => match &mut closest {
                        Some(closest) => further(closest, cause),
                        None => closest = Some(cause),
                    },
                    Ok(()) => return Ok(()),
                }
            }
        }
        Err(closest.unwrap_or_else(|| OcspGap::Responder.into()))
    }

    /// The responders that the configuration names for the issuer of a certificate (section 4.2.2.2: "matches a local
    /// configuration of OCSP signing authority").
    fn pinned(&self, certificate: &ParsedCertificate) -> &'a [ParsedCertificate] {
        let Sources::Ordered(ordered) = self.sources else { return &[] };
        ordered.plans.of(certificate.issuer()).map(|plan| plan.responders.as_slice()).unwrap_or_default()
    }

    fn pinned_is_valid(&self, pinned: &ParsedCertificate) -> Result<(), GapCause> {
        let (not_before, not_after) = pinned.validity();
        let certificate = pinned.id(Role::RevocationSigner);
        let now = self.now.timestamp();
        let refused = if self.now.seconds() < not_before {
            IdentityError::NotYetValid { certificate, not_before: timestamp(not_before), now }
        } else if self.now.seconds() > not_after {
            IdentityError::Expired { certificate, not_after: timestamp(not_after), now }
        } else {
            return Ok(());
        };
        Err(OcspGap::Signer(Box::new(refused)).into())
    }

    /// Whether all work that may be done is done, so that what was not found may be there.
    pub(super) fn is_exhausted(&self) -> bool {
        self.signatures == 0 || self.steps == 0
    }

    pub(super) fn now(&self) -> Now {
        self.now
    }

    /// Whether the certificate is one whose status is just being decided so that it can vouch for others.
    pub(super) fn is_pending(&self, certificate: &ParsedCertificate) -> bool {
        self.pending.iter().any(|pending| pending.der() == certificate.der())
    }

    /// The certificate of a responder: valid, and not revoked unless its issuer says not to ask, or not where to
    /// (section 4.2.2.2.1).
    fn delegate(&mut self, candidate: &'a ParsedCertificate, line: &Path<'a>) -> Result<(), GapCause> {
        let refused = |error| GapCause::Ocsp(OcspGap::Signer(Box::new(error)));
        self.trust.judge_signer(line, self.now).map_err(refused)?;
        if candidate.need_not_be_checked() {
            return Ok(());
        }
        // Unlike a key for lists, whose own list covers it: whoever stole a responder's key would use it for this.
        if self.is_pending(candidate) {
            return Err(OcspGap::Itself.into());
        }
        if self.pending.len() >= MAX_DEPTH {
            return Err(GapCause::WorkLimit);
        }
        self.pending.push(candidate);
        let status = self.status(Role::RevocationSigner, line);
        self.pending.pop();
        status.map(drop).map_err(refused)
    }

    /// For which reasons a list covers a certificate, by what both say and by the time.
    fn covered(
        &self,
        crl: &Crl,
        certificate: &ParsedCertificate,
        point: &Point,
        currency: Currency,
    ) -> Result<Reasons, GapCause> {
        if crl.is_delta() || !crl.is_understood() {
            return Err(GapCause::Scope(crl.kind().clone()));
        }
        let covered = crl.scope().covers(certificate, point)?;
        current(crl, currency, self.now)?;
        Ok(covered)
    }

    /// The newest delta list that completes a list and is signed by the same key; one that has ended only where it revokes
    /// the first certificate of `line`.
    fn delta(
        &mut self,
        crls: &'a [Arc<Crl>],
        complete: &Crl,
        signer: &ParsedCertificate,
        line: &Path<'a>,
        currency: Currency,
    ) -> Result<Option<&'a Crl>, GapCause> {
        for delta in
            crls.iter().filter(|crl| crl.is_delta() && crl.is_understood() && crl.completes(complete))
        {
            let counts = match current(delta, currency, self.now) {
                Ok(()) => true,
                Err(cause) => has_ended(&cause) && entry(delta, None, line.subject()).is_some(),
            };
            if counts && self.signed(delta, signer)? {
                return Ok(Some(delta));
            }
        }
        Ok(None)
    }

    /// Who signed a list, if that is somebody who may (section 6.3.3 (f), (g)).
    fn signer(&mut self, crl: &Crl, line: &Path<'a>) -> Result<&'a ParsedCertificate, GapCause> {
        let issuer = line.issuer();
        let mut furthest = GapCause::Signature;
        if compare_names(issuer.subject(), crl.issuer()) && self.signed(crl, issuer)? {
            match may_sign(issuer) {
                Ok(()) => return Ok(issuer),
                Err(cause) => further(&mut furthest, cause),
            }
        }
        let of_the_path = self.path.certificates.iter().copied().chain([&self.path.root.certificate]);
        let known = of_the_path.chain(self.trust.authorities()).chain(self.hints);
        let named: Vec<&ParsedCertificate> = known
            .filter(|candidate| compare_names(candidate.subject(), crl.issuer()))
            .filter(|candidate| candidate.der() != issuer.der())
            .collect();
        for candidate in named {
            if !take(&mut self.steps) {
                return Err(GapCause::WorkLimit);
            }
            match self.believe(crl, candidate) {
                Ok(true) => return Ok(candidate),
                Ok(false) => {}
                Err(GapCause::WorkLimit) => return Err(GapCause::WorkLimit),
                Err(cause) => further(&mut furthest, cause),
            }
        }
        Err(furthest)
    }

    /// Whether a certificate that bears the name of a list's issuer signed the list; an error where it did, but may not.
    ///
    /// Where it stands comes first: whatever keys a peer brings must not cost a signature each.
    fn believe(&mut self, crl: &Crl, candidate: &'a ParsedCertificate) -> Result<bool, GapCause> {
        let above = if crl.scope().is_indirect() { MAX_SIGNER_PATH } else { 1 };
        let Some((line, own)) = self.line(candidate, above)? else { return Ok(false) };
        if !candidate.key().is_at_least(self.trust.minimum_rsa_bits()) || !self.signed(crl, candidate)? {
            return Ok(false);
        }
        may_sign(candidate)?;
        if own == 0 {
            // Part of the path itself: judged and examined with it.
            return Ok(true);
        }
        if self.is_pending(candidate) {
            return Ok(true);
        }
        if self.pending.len() >= MAX_DEPTH {
            return Err(GapCause::WorkLimit);
        }
        let refused = |error| GapCause::Signer(Box::new(error));
        self.trust.judge_signer(&line, self.now).map_err(refused)?;
        self.pending.push(candidate);
        let good = (0..own).try_for_each(|place| {
            self.status(Role::RevocationSigner, &line.above(place)).map(drop).map_err(refused)
        });
        self.pending.pop();
        good.map(|()| true)
    }

    /// The line from a possible signer to the root of the path, and how many certificates of it are not of the path;
    /// `None` where it does not stand below an authority of the path.
    fn line(
        &mut self,
        candidate: &'a ParsedCertificate,
        above: usize,
    ) -> Result<Option<(Path<'a>, usize)>, GapCause> {
        if let Some(place) = self.path.place_of(candidate) {
            return Ok(Some((self.path.above(place), 0)));
        }
        // From the card's own issuer upwards; the card itself is no authority.
        for place in 1..=self.path.certificates.len() {
            let tail = self.path.above(place);
            if self.issued(candidate, tail.subject())? {
                return Ok(Some((tail.below(candidate), 1)));
            }
        }
        if above <= 1 {
            return Ok(None);
        }
        let trust = self.trust;
        for between in trust.intermediates() {
            if compare_names(between.subject(), candidate.issuer())
                && between.der() != candidate.der()
                && self.issued(candidate, between)?
                && let Some((line, own)) = self.line(between, above - 1)?
            {
                return Ok(Some((line.below(candidate), own.saturating_add(1))));
            }
        }
        Ok(None)
    }

    fn issued(
        &mut self,
        certificate: &ParsedCertificate,
        issuer: &ParsedCertificate,
    ) -> Result<bool, GapCause> {
        if !take(&mut self.steps) {
            return Err(GapCause::WorkLimit);
        }
        if !compare_names(issuer.subject(), certificate.issuer()) {
            return Ok(false);
        }
        if !take(&mut self.signatures) {
            return Err(GapCause::WorkLimit);
        }
        Ok(certificate.verify_signature(issuer).is_ok())
    }

    fn signed(&mut self, crl: &Crl, signer: &ParsedCertificate) -> Result<bool, GapCause> {
        if take(&mut self.signatures) { Ok(crl.is_signed_by(signer)) } else { Err(GapCause::WorkLimit) }
    }
}

/// What a list and its delta say of a certificate: the delta has the last word (section 6.3.3 (i) to (k)).
fn entry(complete: &Crl, delta: Option<&Crl>, certificate: &ParsedCertificate) -> Option<Entry> {
    let entry = delta.and_then(|delta| delta.entry(certificate)).or_else(|| complete.entry(certificate));
    entry.filter(|entry| entry.reason != Reason::RemoveFromCrl)
}

/// Without a keyUsage extension every use is allowed (RFC 5280 section 4.2.1.3).
fn may_sign(signer: &ParsedCertificate) -> Result<(), GapCause> {
    match signer.key_usage() {
        Some(usage) if !usage.0.contains(KeyUsages::CRLSign) => Err(GapCause::CrlSign),
        _ => Ok(()),
    }
}

fn current(crl: &Crl, currency: Currency, now: Now) -> Result<(), GapCause> {
    let this_update = crl.this_update();
    if now.seconds().saturating_add(CLOCK_SKEW) < this_update {
        return Err(GapCause::NotYetCurrent { this_update: timestamp(this_update) });
    }
    let next_update = crl.next_update().ok_or(GapCause::NoNextUpdate)?;
    match currency {
        Currency::Current if now.seconds() >= next_update => {
            Err(GapCause::Stale { next_update: timestamp(next_update) })
        }
        Currency::NoOlderThan(most) if now.seconds().saturating_sub(this_update) > most => {
            Err(OcspGap::TooOld { this_update: timestamp(this_update) }.into())
        }
        _ => Ok(()),
    }
}

fn has_ended(cause: &GapCause) -> bool {
    matches!(cause, GapCause::Stale { .. } | GapCause::Ocsp(OcspGap::TooOld { .. }))
}

fn current_answer(
    response: &OcspResponse,
    answer: &Answer,
    currency: Currency,
    now: Now,
) -> Result<ReliedOn, OcspGap> {
    if let Some(oid) = response.unknown_critical().or(answer.unknown_critical) {
        return Err(OcspGap::UnknownCriticalExtension { oid: oid.to_string() });
    }
    let this_update = answer.this_update;
    if now.seconds().saturating_add(CLOCK_SKEW) < this_update {
        return Err(OcspGap::NotYetCurrent { this_update: timestamp(this_update) });
    }
    let ends = answer.ends();
    match currency {
        Currency::Current if now.seconds() >= ends => return Err(OcspGap::Stale { ended: timestamp(ends) }),
        Currency::NoOlderThan(most) if now.seconds().saturating_sub(this_update) > most => {
            return Err(OcspGap::TooOld { this_update: timestamp(this_update) });
        }
        _ => {}
    }
    Ok(ReliedOn {
        kind: EvidenceKind::Ocsp { responder: response.responder_text() },
        source: None,
        this_update: timestamp(this_update),
        next_update: Some(timestamp(ends)),
    })
}

fn list_evidence(crl: &Crl) -> ReliedOn {
    let issuer = name_text(crl.issuer());
    let kind = match crl.kind() {
        CrlScope::Delta => EvidenceKind::DeltaCrl { issuer },
        _ => EvidenceKind::Crl { issuer },
    };
    let (this_update, next_update) = (timestamp(crl.this_update()), crl.next_update().map(timestamp));
    ReliedOn { kind, source: None, this_update, next_update }
}

/// The evidence of a certificate, of which no source was passed over.
pub(super) fn evidence(role: Role, certificate: &ParsedCertificate, basis: Basis) -> CertificateEvidence {
    let (serial, issuer) = (certificate.serial().to_string(), name_text(certificate.issuer()));
    CertificateEvidence { role, serial, issuer, basis, passed_over: Vec::new() }
}

pub(super) fn revoked(
    role: Role,
    certificate: &ParsedCertificate,
    reason: Reason,
    since: u64,
) -> IdentityError {
    IdentityError::Revoked { certificate: certificate.id(role), reason, since: timestamp(since) }
}

pub(super) fn unknown(role: Role, certificate: &ParsedCertificate, cause: GapCause) -> IdentityError {
    let gap = RevocationGap { issuer: name_text(certificate.issuer()), cause };
    IdentityError::RevocationUnknown { certificate: certificate.id(role), gap }
}

/// Keeps what says more; of two of a kind the one that is not settled, since it may still be good.
fn further(furthest: &mut GapCause, cause: GapCause) {
    if (cause.rank(), cause.is_unsettled()) > (furthest.rank(), furthest.is_unsettled()) {
        *furthest = cause;
    }
}

/// What stands for a revocation by somebody of whom it cannot be said whether he is believed.
fn said_revoked(cause: &GapCause) -> Option<GapCause> {
    cause.is_unsettled().then(|| GapCause::SaidRevoked(Box::new(cause.clone())))
}

/// Whether a list or one of its deltas has an entry that revokes a certificate, whoever signed them.
fn names(crls: &[Arc<Crl>], complete: &Crl, certificate: &ParsedCertificate) -> bool {
    let deltas = crls.iter().filter(|crl| crl.is_delta() && crl.is_understood() && crl.completes(complete));
    let mut lists = deltas.map(|delta| &**delta).chain([complete]);
    lists.any(|list| entry(list, None, certificate).is_some())
}
