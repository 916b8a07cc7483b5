//! The status of a certificate by the sources that its issuer's order names, one after another. No I/O: what is not known yet
//! becomes a question.
//!
//! A source that says "revoked" ends it, wherever it stands in the order. One that says "good" ends it unless anything
//! that was gathered says otherwise, or a responder's last word before was "revoked" and is not older: neither silence nor
//! an answer of before takes that back. One that says nothing usable, for whatever reason, is passed over: whoever can forge
//! an answer badly can also suppress it, so that the two are worth the same.

use std::sync::Arc;

use der::Decode as _;
use der::asn1::ObjectIdentifier;
use jiff::Timestamp;
use ldap_map::net::published::ListAttribute;
use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;
use x509_cert::ext::pkix::name::GeneralName;

use super::super::certificate::ParsedCertificate;
use super::super::crl_store::{Points, points_of};
use super::super::error::{IdentityError, Role};
use super::super::evidence::{Basis, CertificateEvidence, ReliedOn};
use super::super::path::Path;
use super::Crl;
use super::gap::{GapCause, OcspGap, SourceFault, SourceGap, SourceName};
use super::gathered::Question;
use super::ocsp::{Answer, OcspResponse, OcspStatus};
use super::order::{OcspUnknown, Plan, RevocationStep};
use super::question::{OcspKey, OcspQuestion, certificate_key};
use super::status::{Currency, Examination, Halt, Ordered, evidence, revoked, unknown};

const AUTHORITY_INFORMATION_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
const FRESHEST_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");

/// Most responders that are asked for one step.
const MAX_RESPONDERS: usize = 4;

/// What one source, or one step of an order, says of a certificate.
enum Said {
    Good(Vec<ReliedOn>),
    Revoked(IdentityError),
    /// A believed responder does not know it, or somebody who may have to be believed revokes it; the order ends with that.
    Unknown(SourceGap),
    /// It has to be asked first.
    Asked,
    Nothing(Vec<SourceGap>),
}

impl<'a> Examination<'a> {
    /// Decides on the first certificate of `line` by the order of its issuer.
    pub(super) fn by_order(
        &mut self,
        role: Role,
        line: &Path<'a>,
        ordered: Ordered<'a>,
    ) -> Result<CertificateEvidence, IdentityError> {
        let certificate = line.subject();
        let refuse = |cause| Err(unknown(role, certificate, cause));
        let Some(plan) = ordered.plans.of(certificate.issuer()) else { return refuse(GapCause::NoOrder) };
        self.not_revoked_by_any(role, line, plan, ordered)?;
        let mut passed_over = Vec::new();
        for step in &plan.settings.order {
            let said = match step {
                RevocationStep::Stapled => self.stapled(role, line, plan, ordered),
                RevocationStep::Ocsp => {
                    self.responders(*step, ocsp_urls(certificate), role, line, plan, ordered)
                }
                RevocationStep::AlternateOcsp => {
                    let urls = plan.settings.alternate_ocsp.clone();
                    self.responders(*step, urls, role, line, plan, ordered)
                }
                RevocationStep::Crl => self.fetched_lists(role, line, plan, ordered),
                RevocationStep::Files => {
                    self.lists(name(*step, None), role, line, ordered.files, Currency::Current)
                }
                RevocationStep::Cached => self.remembered(role, line, plan, ordered),
            };
            match said {
                Said::Good(relied) => {
                    let known_at = relied.iter().map(|one| one.this_update).min();
                    self.not_revoked_before(role, line, plan, ordered, known_at)?;
                    let good = evidence(role, certificate, Basis::Sources(relied));
                    return Ok(CertificateEvidence { passed_over, ..good });
                }
                Said::Revoked(refused) => return Err(refused),
                Said::Asked => return refuse(SourceFault::Asked.into()),
                Said::Unknown(gap) => {
                    passed_over.push(gap);
                    return refuse(GapCause::Sources(passed_over));
                }
                Said::Nothing(gaps) => passed_over.extend(gaps),
            }
        }
        if plan.settings.accept_unknown_revocation_status && !self.is_exhausted() {
            self.not_revoked_before(role, line, plan, ordered, None)?;
            let open = evidence(role, certificate, Basis::NothingKnown);
            return Ok(CertificateEvidence { passed_over, ..open });
        }
        refuse(GapCause::Sources(passed_over))
    }

    /// Refuses a certificate of which anything at hand that the order names says that it is revoked.
    pub(super) fn not_revoked_by_any(
        &mut self,
        role: Role,
        line: &Path<'a>,
        plan: &'a Plan,
        ordered: Ordered<'a>,
    ) -> Result<(), IdentityError> {
        let (open, asked) = (self.inquest.questions.len(), self.inquest.asked);
        match self.said_revoked_at_hand(role, line, plan, ordered) {
            None => {
                // What would have to be asked about the others is asked when their turn comes.
                self.inquest.questions.truncate(open);
                self.inquest.asked = asked;
                Ok(())
            }
            Some(Halt::Revoked(refused)) => Err(refused),
            // Whether its signer may be believed is asked first, whatever the others say.
            Some(Halt::Unknown(_)) if self.inquest.asked > asked => {
                Err(unknown(role, line.subject(), SourceFault::Asked.into()))
            }
            Some(Halt::Unknown(cause)) => Err(unknown(role, line.subject(), cause)),
        }
    }

    /// What is at hand that says of a certificate that it is revoked: believed, or else so that nobody can say whether its signer
    /// may be believed.
    fn said_revoked_at_hand(
        &mut self,
        role: Role,
        line: &Path<'a>,
        plan: &'a Plan,
        ordered: Ordered<'a>,
    ) -> Option<Halt> {
        let gathered = ordered.gathered;
        let certificate = line.subject();
        let key = certificate_key(certificate, line.issuer(), plan.settings.manner.hash)?;
        let mut unsettled = None;
        let about_it = gathered.answers.iter().filter(|(asked, _)| asked.certificate == key);
        for (asked, response) in about_it.filter_map(|(asked, reply)| Some((asked, reply.as_ref().ok()?))) {
            match self.ocsp([response.as_ref()], line, Currency::Current) {
                Ok(Some((OcspStatus::Revoked { reason, since }, _))) => {
                    self.inquest.settled.push(asked.clone());
                    return Some(Halt::Revoked(revoked(role, certificate, reason, since)));
                }
                Err(cause @ GapCause::SaidRevoked(_)) => unsettled = Some(Halt::Unknown(cause)),
                _ => {}
            }
        }
        match self.ocsp(ordered.stapled, line, Currency::Current) {
            Ok(Some((OcspStatus::Revoked { reason, since }, _))) => {
                return Some(Halt::Revoked(revoked(role, certificate, reason, since)));
            }
            Err(cause @ GapCause::SaidRevoked(_)) => unsettled = Some(Halt::Unknown(cause)),
            _ => {}
        }
        let fetched = gathered.lists.get(&points(certificate, plan)).and_then(|lists| lists.as_ref().ok());
        let files = plan.settings.order.contains(&RevocationStep::Files).then_some(ordered.files);
        for lists in fetched.map(Vec::as_slice).into_iter().chain(files) {
            match self.by_lists(role, line, lists, Currency::Current) {
                Err(refused @ Halt::Revoked(_)) => return Some(refused),
                Err(said @ Halt::Unknown(GapCause::SaidRevoked(_))) => unsettled = Some(said),
                _ => {}
            }
        }
        unsettled
    }

    /// Refuses a certificate of which a responder said before that it is revoked, if that is not older than what would be relied
    /// on (`known_at`; nothing where nothing is known), or has not ended where the responder was asked again, and the responder has
    /// said nothing newer.
    fn not_revoked_before(
        &mut self,
        role: Role,
        line: &Path<'a>,
        plan: &'a Plan,
        ordered: Ordered<'a>,
        known_at: Option<Timestamp>,
    ) -> Result<(), IdentityError> {
        let (certificate, gathered) = (line.subject(), ordered.gathered);
        let Some(key) = certificate_key(certificate, line.issuer(), plan.settings.manner.hash) else {
            return Ok(());
        };
        for (source, before) in gathered.before.iter().filter(|(source, _)| source.certificate == key) {
            let mut answers = before.answers(certificate, line.issuer());
            if !answers.any(|answer| matches!(answer.status, OcspStatus::Revoked { .. })) {
                continue;
            }
            let asked = self.inquest.asked;
            let known = self.ocsp([before.as_ref()], line, Currency::NoOlderThan(u64::MAX));
            if self.inquest.asked > asked {
                return Err(unknown(role, certificate, SourceFault::Asked.into()));
            }
            let (reason, since, known) = match known {
                Ok(Some((OcspStatus::Revoked { reason, since }, known))) => (reason, since, known),
                Err(cause @ (GapCause::WorkLimit | GapCause::SaidRevoked(_))) => {
                    return Err(unknown(role, certificate, cause));
                }
                _ => continue,
            };
            let newest =
                gathered.answered(source).map(|newest| self.ocsp([newest.as_ref()], line, Currency::Current));
            if matches!(newest, Some(Ok(Some((_, newest)))) if newest.this_update > known.this_update) {
                continue;
            }
            let ended = known.next_update.is_some_and(|end| end <= self.now().timestamp());
            // One that was not asked now has not been silent either.
            let stands = !ended && gathered.answers.contains_key(source);
            if stands || known_at.is_none_or(|known_at| known_at <= known.this_update) {
                return Err(revoked(role, certificate, reason, since));
            }
        }
        Ok(())
    }

    /// What came along of responders. It answers no question of ours, so that no nonce is looked for, and it may be older than what
    /// has been learnt before: where that is a revocation, somebody has to be asked.
    fn stapled(&mut self, role: Role, line: &Path<'a>, plan: &'a Plan, ordered: Ordered<'a>) -> Said {
        let (certificate, issuer) = (line.subject(), line.issuer());
        let is_about_it = |response: &&OcspResponse| response.answers(certificate, issuer).next().is_some();
        let about_it: Vec<&OcspResponse> = ordered.stapled.iter().filter(is_about_it).collect();
        let key = certificate_key(certificate, issuer, plan.settings.manner.hash);
        let (Some(key), false) = (key, about_it.is_empty()) else { return Said::Nothing(Vec::new()) };
        let Some(before) = ordered.gathered.remembered.get(&key) else {
            self.inquest.ask(Question::Remembered(key, points(certificate, plan)));
            return Said::Asked;
        };
        let mut answers = before.answers.iter().flat_map(|one| one.response.answers(certificate, issuer));
        if answers.any(Answer::is_revocation)
            || before.lists.iter().any(|list| list.entry(certificate).is_some())
        {
            return Said::Nothing(Vec::new());
        }
        let mut gaps = Vec::new();
        for response in about_it {
            let source_name = name(RevocationStep::Stapled, None);
            match self.answer(source_name, role, line, plan, response, Currency::Current).0 {
                Said::Nothing(more) => gaps.extend(more),
                said => return said,
            }
        }
        Said::Nothing(gaps)
    }

    /// Asks responders, one after another.
    fn responders(
        &mut self,
        step: RevocationStep,
        urls: Vec<String>,
        role: Role,
        line: &Path<'a>,
        plan: &'a Plan,
        ordered: Ordered<'a>,
    ) -> Said {
        let certificate = line.subject();
        let manner = plan.settings.manner;
        // A responder does not vouch for itself.
        let itself = certificate.may_sign_ocsp() && self.is_pending(certificate);
        let key = certificate_key(certificate, line.issuer(), manner.hash);
        let (Some(key), false, false) = (key, urls.is_empty(), itself) else {
            let cause = SourceFault::NotNamed.into();
            return Said::Nothing(vec![SourceGap { source_name: name(step, None), cause }]);
        };
        let mut gaps = Vec::new();
        for url in urls.into_iter().take(MAX_RESPONDERS) {
            let source_name = name(step, Some(&url));
            let key = OcspKey { certificate: Arc::clone(&key), url: url.into() };
            let response = match ordered.gathered.answers.get(&key) {
                None => {
                    self.inquest.ask(Question::Ocsp(OcspQuestion { key, manner }));
                    return Said::Asked;
                }
                Some(Err(fault)) => {
                    gaps.push(SourceGap { source_name, cause: fault.clone().into() });
                    continue;
                }
                Some(Ok(response)) => response,
            };
            match self.answer(source_name, role, line, plan, response, Currency::Current) {
                (said, true) => {
                    self.inquest.settled.push(key);
                    if let Said::Nothing(unknown) = said { gaps.extend(unknown) } else { return said }
                }
                (Said::Nothing(more), false) => gaps.extend(more),
                (said, false) => return said,
            }
        }
        Said::Nothing(gaps)
    }

    /// What one response says, and whether it is a current answer of somebody who may give one.
    fn answer(
        &mut self,
        source_name: SourceName,
        role: Role,
        line: &Path<'a>,
        plan: &Plan,
        response: &'a OcspResponse,
        currency: Currency,
    ) -> (Said, bool) {
        let asked = self.inquest.asked;
        let said = self.ocsp([response], line, currency);
        if self.inquest.asked > asked {
            // Whether its signer may be believed has to be asked first.
            return (Said::Asked, false);
        }
        let gap = |cause| SourceGap { source_name: source_name.clone(), cause };
        match said {
            Ok(Some((OcspStatus::Revoked { reason, since }, _))) => {
                (Said::Revoked(revoked(role, line.subject(), reason, since)), true)
            }
            Ok(Some((_, relied))) => {
                (Said::Good(vec![ReliedOn { source: Some(source_name), ..relied }]), true)
            }
            Ok(None) => (Said::Nothing(vec![gap(OcspGap::OtherCertificate.into())]), false),
            Err(cause @ GapCause::Ocsp(OcspGap::Unknown)) => match plan.settings.ocsp_unknown {
                OcspUnknown::Refuse => (Said::Unknown(gap(cause)), true),
                OcspUnknown::NextSource => (Said::Nothing(vec![gap(cause)]), true),
            },
            Err(cause @ GapCause::SaidRevoked(_)) => (Said::Unknown(gap(cause)), false),
            Err(cause) => (Said::Nothing(vec![gap(cause)]), false),
        }
    }

    /// The lists of the certificate's distribution points, or of the configured ones.
    fn fetched_lists(&mut self, role: Role, line: &Path<'a>, plan: &'a Plan, ordered: Ordered<'a>) -> Said {
        let points = points(line.subject(), plan);
        let source_name = name(RevocationStep::Crl, points.iter().flatten().next().map(String::as_str));
        let nothing = |source_name, cause| Said::Nothing(vec![SourceGap { source_name, cause }]);
        if points.is_empty() {
            return nothing(source_name, SourceFault::NotNamed.into());
        }
        match ordered.gathered.lists.get(&points) {
            None => {
                self.inquest.ask(Question::Lists(points));
                Said::Asked
            }
            Some(Err(fault)) => nothing(source_name, fault.clone().into()),
            Some(Ok(lists)) => self.lists(source_name, role, line, lists, Currency::Current),
        }
    }

    /// What these lists say.
    fn lists(
        &mut self,
        source_name: SourceName,
        role: Role,
        line: &Path<'a>,
        lists: &'a [Arc<Crl>],
        currency: Currency,
    ) -> Said {
        let asked = self.inquest.asked;
        let outcome = self.by_lists(role, line, lists, currency);
        match outcome {
            Err(Halt::Revoked(refused)) => Said::Revoked(refused),
            _ if self.inquest.asked > asked => Said::Asked,
            Ok(relied) => Said::Good(
                relied
                    .into_iter()
                    .map(|relied| ReliedOn { source: Some(source_name.clone()), ..relied })
                    .collect(),
            ),
            Err(Halt::Unknown(cause @ GapCause::SaidRevoked(_))) => {
                Said::Unknown(SourceGap { source_name, cause })
            }
            Err(Halt::Unknown(cause)) => Said::Nothing(vec![SourceGap { source_name, cause }]),
        }
    }

    /// The last that was learnt, which may have ended: the newest answer of a responder, else the lists.
    fn remembered(&mut self, role: Role, line: &Path<'a>, plan: &'a Plan, ordered: Ordered<'a>) -> Said {
        let source_name = name(RevocationStep::Cached, None);
        let certificate = line.subject();
        let points = points(certificate, plan);
        let nothing = |cause| Said::Nothing(vec![SourceGap { source_name: source_name.clone(), cause }]);
        let Some(key) = certificate_key(certificate, line.issuer(), plan.settings.manner.hash) else {
            return nothing(SourceFault::NothingRemembered.into());
        };
        let Some(remembered) = ordered.gathered.remembered.get(&key) else {
            self.inquest.ask(Question::Remembered(key, points));
            return Said::Asked;
        };
        let currency = Currency::NoOlderThan(plan.settings.cached_no_older_than.as_secs());
        let mut gaps = Vec::new();
        let newest = remembered.answers.iter().max_by_key(|one| one.response.this_update());
        if let Some(newest) = newest {
            let source_name = name(RevocationStep::Cached, Some(&newest.key.url));
            match self.answer(source_name, role, line, plan, &newest.response, currency).0 {
                Said::Nothing(more) => gaps.extend(more),
                said => return said,
            }
        }
        if !remembered.lists.is_empty() {
            match self.lists(source_name.clone(), role, line, &remembered.lists, currency) {
                Said::Nothing(more) => gaps.extend(more),
                said => return said,
            }
        }
        if gaps.is_empty() { nothing(SourceFault::NothingRemembered.into()) } else { Said::Nothing(gaps) }
    }
}

fn name(step: RevocationStep, url: Option<&str>) -> SourceName {
    SourceName { step, url: url.map(str::to_owned) }
}

/// The responders that a certificate names (RFC 5280 section 4.2.2.1); none where the extension cannot be read.
fn ocsp_urls(certificate: &ParsedCertificate) -> Vec<String> {
    let mut extensions = certificate.extensions().iter();
    let Some(found) = extensions.find(|one| one.extn_id == AUTHORITY_INFORMATION_ACCESS) else {
        return Vec::new();
    };
    let Ok(access) = AuthorityInfoAccessSyntax::from_der(found.extn_value.as_bytes()) else {
        return Vec::new();
    };
    let responders = access.0.into_iter().filter(|one| one.access_method == OCSP);
    responders.filter_map(|one| uri(&one.access_location)).collect()
}

/// Where lists about a certificate are: the configured URLs, else its distribution points, with those of delta lists.
fn points(certificate: &ParsedCertificate, plan: &Plan) -> Points {
    if !plan.settings.crl_urls.is_empty() {
        return plan.settings.crl_urls.iter().map(|url| vec![url.clone()]).collect();
    }
    let issuer = certificate.issuer();
    let mut extensions = certificate.extensions().iter();
    let freshest = extensions.find(|one| one.extn_id == FRESHEST_CRL).map(|one| one.extn_value.as_bytes());
    let complete = certificate.distribution_points().map(|value| {
        let list = if certificate.is_ca() {
            ListAttribute::AuthorityRevocationList
        } else {
            ListAttribute::CertificateRevocationList
        };
        points_of(value, issuer, list)
    });
    let delta = freshest.map(|value| points_of(value, issuer, ListAttribute::DeltaRevocationList));
    complete.into_iter().chain(delta).flatten().collect()
}

fn uri(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
        _ => None,
    }
}
