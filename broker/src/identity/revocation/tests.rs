mod by_hand;
pub(crate) mod ocsp_by_hand;
mod ordered;
mod several_paths;
mod signers;
mod stapled;
mod unsettled;

use rcgen::{KeyUsagePurpose, RevocationReason, date_time_ymd};

use super::{Crl, CrlError, CrlScope, GapCause, Reason, Revocation};
use crate::identity::certificate::ParsedCertificate;
use crate::identity::testing::{Authority, days, now, peer, revoked, trusting, validator};
use crate::identity::{CheckName, IdentityError, Role, SettingsProblem, ValidatedIdentity, Validator};

/// Root, issuing CA and card, with these CRLs.
struct Line {
    root: Authority,
    issuing: Authority,
}

impl Line {
    fn new() -> Self {
        let root = Authority::root("Root");
        let issuing = root.below_with("Issuing", |params| params.serial_number = Some(0x2002.into()));
        Self { root, issuing }
    }

    fn judge(&self, crls: Vec<Vec<u8>>) -> Result<ValidatedIdentity, IdentityError> {
        let mut settings = trusting(&[&self.root]);
        settings.intermediates = vec![self.issuing.certificate.clone()];
        settings.revocation = Revocation::Crls(crls);
        validator(settings).judge(&peer(&[&self.issuing.card()]), now())
    }

    /// The verdict with a good CRL of the root and this one of the issuing CA.
    fn with(&self, crl: Vec<u8>) -> Result<ValidatedIdentity, IdentityError> {
        self.judge(vec![self.root.crl(), crl])
    }
}

fn gap(outcome: Result<ValidatedIdentity, IdentityError>) -> GapCause {
    match outcome {
        Err(IdentityError::RevocationUnknown { gap, .. }) => gap.cause,
        Err(other) => panic!("not about revocation: {other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn a_card_on_no_list_is_accepted_with_the_lists_as_evidence() {
    let line = Line::new();
    let identity = line.with(line.issuing.crl()).expect("not revoked");
    let check = identity.checks().last().expect("checks");
    assert_eq!(check.name(), CheckName::Revocation);
    let expected = "1001 not on the CRL of \"CN=Issuing,O=Corp\" from 2025-12-25T00:00:00Z until 2026-01-08T00:00:00Z; \
                    2002 not on the CRL of \"CN=Root,O=Corp\" from 2025-12-25T00:00:00Z until 2026-01-08T00:00:00Z";
    assert_eq!(check.evidence(), expected);
}

#[test]
fn a_revoked_card_is_refused_with_its_reason() {
    let line = Line::new();
    let crl = line
        .issuing
        .crl_with(|crl| crl.revoked_certs = vec![revoked(0x1001, RevocationReason::KeyCompromise)]);
    let Err(IdentityError::Revoked { certificate, reason, since }) = line.with(crl) else {
        panic!("accepted")
    };
    assert_eq!((certificate.role, reason), (Role::Card, Reason::KeyCompromise));
    assert_eq!(since.to_string(), "2025-12-01T00:00:00Z");
}

#[test]
fn a_suspended_card_is_refused() {
    let line = Line::new();
    let crl = line
        .issuing
        .crl_with(|crl| crl.revoked_certs = vec![revoked(0x1001, RevocationReason::CertificateHold)]);
    assert!(matches!(line.with(crl), Err(IdentityError::Revoked { reason: Reason::CertificateHold, .. })));
}

#[test]
fn another_card_on_the_list_changes_nothing() {
    let line = Line::new();
    let crl = line
        .issuing
        .crl_with(|crl| crl.revoked_certs = vec![revoked(0x1002, RevocationReason::KeyCompromise)]);
    assert!(line.with(crl).is_ok());
}

#[test]
fn an_entry_that_takes_a_revocation_back_does_not_revoke() {
    let line = Line::new();
    let crl = line
        .issuing
        .crl_with(|crl| crl.revoked_certs = vec![revoked(0x1001, RevocationReason::RemoveFromCrl)]);
    assert!(line.with(crl).is_ok());
}

#[test]
fn a_revoked_intermediate_is_refused() {
    let line = Line::new();
    let crl =
        line.root.crl_with(|crl| crl.revoked_certs = vec![revoked(0x2002, RevocationReason::CaCompromise)]);
    let refused = line.judge(vec![crl, line.issuing.crl()]).expect_err("revoked");
    assert!(
        matches!(refused, IdentityError::Revoked { certificate, .. } if certificate.role == Role::Intermediate)
    );
}

#[test]
fn a_revoked_intermediate_says_more_than_a_missing_list() {
    let line = Line::new();
    let crl =
        line.root.crl_with(|crl| crl.revoked_certs = vec![revoked(0x2002, RevocationReason::CaCompromise)]);
    assert!(matches!(line.judge(vec![crl]), Err(IdentityError::Revoked { .. })));
}

#[test]
fn without_a_list_of_the_issuer_revocation_is_unknown() {
    let line = Line::new();
    let Err(IdentityError::RevocationUnknown { certificate, gap }) = line.judge(vec![line.root.crl()]) else {
        panic!("accepted")
    };
    assert_eq!((certificate.role, gap.cause), (Role::Card, GapCause::NoCrl));
    assert_eq!(gap.issuer, "CN=Issuing,O=Corp");
}

#[test]
fn without_a_list_of_the_root_revocation_of_the_intermediate_is_unknown() {
    let line = Line::new();
    let refused = line.judge(vec![line.issuing.crl()]).expect_err("no list");
    assert!(
        matches!(refused, IdentityError::RevocationUnknown { certificate, .. } if certificate.role == Role::Intermediate)
    );
}

#[test]
fn a_stale_list_is_not_used() {
    let line = Line::new();
    let crl = line.issuing.crl_with(|crl| crl.next_update = date_time_ymd(2025, 12, 31));
    assert!(
        matches!(gap(line.with(crl)), GapCause::Stale { next_update } if next_update.to_string() == "2025-12-31T00:00:00Z")
    );
}

#[test]
fn a_list_ends_with_its_next_update() {
    let line = Line::new();
    let crl = line.issuing.crl_with(|crl| crl.next_update = date_time_ymd(2026, 1, 1));
    assert!(matches!(gap(line.with(crl)), GapCause::Stale { .. }));
}

#[test]
fn a_list_begins_with_its_this_update() {
    let line = Line::new();
    let crl = line.issuing.crl_with(|crl| crl.this_update = date_time_ymd(2026, 1, 1));
    assert!(line.with(crl).is_ok());
}

#[test]
fn a_list_of_the_future_is_not_used() {
    let line = Line::new();
    let crl = line.issuing.crl_with(|crl| crl.this_update = date_time_ymd(2026, 1, 2));
    assert!(matches!(gap(line.with(crl)), GapCause::NotYetCurrent { .. }));
}

#[test]
fn a_list_of_another_key_under_the_same_name_is_not_used() {
    let line = Line::new();
    let rogue = Authority::root("Issuing");
    assert_eq!(gap(line.with(rogue.crl())), GapCause::Signature);
}

#[test]
fn a_changed_list_is_not_used() {
    let line = Line::new();
    let mut crl = line
        .issuing
        .crl_with(|crl| crl.revoked_certs = vec![revoked(0x1001, RevocationReason::KeyCompromise)]);
    let at = crl.windows(4).position(|window| window == [2, 2, 0x10, 0x01]).expect("the entry");
    crl[at + 3] = 0x02;
    assert_eq!(gap(line.with(crl)), GapCause::Signature);
}

#[test]
fn an_issuer_that_may_not_sign_lists_is_not_believed() {
    let root = Authority::root("Root");
    let mut issuing =
        root.below_with("Issuing", |params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    let line = Line { root, issuing: root_of_crl(&mut issuing) };
    assert_eq!(gap(line.with(line.issuing.crl())), GapCause::CrlSign);
}

/// The certificate stays as issued; only rcgen's own check of the key usage is put aside.
fn root_of_crl(issuing: &mut Authority) -> Authority {
    let mut params = issuing.params.clone();
    params.key_usages.push(KeyUsagePurpose::CrlSign);
    let key = rcgen::KeyPair::from_pem(&issuing.key.serialize_pem()).expect("its key");
    Authority { params, key, certificate: issuing.certificate.clone() }
}

#[test]
fn the_newest_of_several_lists_decides() {
    let line = Line::new();
    let old = line.issuing.crl_with(|crl| crl.this_update = date_time_ymd(2025, 12, 20));
    let new =
        line.issuing.crl_with(|crl| crl.revoked_certs = vec![revoked(0x1001, RevocationReason::Superseded)]);
    for crls in [[old.clone(), new.clone()], [new, old]] {
        let [first, second] = crls;
        let refused = line.judge(vec![line.root.crl(), first, second]);
        assert!(matches!(refused, Err(IdentityError::Revoked { .. })));
    }
}

#[test]
fn of_two_lists_of_one_time_the_higher_number_decides() {
    let line = Line::new();
    let numbered = |number: u64, revoked| {
        line.issuing.crl_with(|crl| {
            crl.crl_number = number.into();
            crl.revoked_certs = revoked;
        })
    };
    let clean = numbered(7, Vec::new());
    let later = numbered(256, vec![revoked(0x1001, RevocationReason::KeyCompromise)]);
    for crls in [[clean.clone(), later.clone()], [later, clean]] {
        let [first, second] = crls;
        let refused = line.judge(vec![line.root.crl(), first, second]);
        assert!(matches!(refused, Err(IdentityError::Revoked { .. })));
    }
}

#[test]
fn a_stale_list_beside_a_fresh_one_does_no_harm() {
    let line = Line::new();
    let stale = line.issuing.crl_with(|crl| crl.next_update = date_time_ymd(2025, 12, 31));
    assert!(line.judge(vec![line.root.crl(), stale, line.issuing.crl()]).is_ok());
}

#[test]
fn a_revocation_outlives_the_list_that_was_issued_out_of_turn() {
    let line = Line::new();
    // A week's list, and the day after it one for a day, which revokes; that day has passed.
    let of_the_week = line.issuing.crl_with(|crl| crl.this_update = date_time_ymd(2025, 12, 28));
    let out_of_turn = |revocations: Vec<_>| {
        line.issuing.crl_with(|crl| {
            crl.crl_number = 8_u64.into();
            crl.this_update = date_time_ymd(2025, 12, 29);
            crl.next_update = date_time_ymd(2025, 12, 30);
            crl.revoked_certs = revocations;
        })
    };
    let judge = |list| line.judge(vec![line.root.crl(), of_the_week.clone(), list]);
    let card = || vec![revoked(0x1001, RevocationReason::KeyCompromise)];
    assert!(matches!(judge(out_of_turn(card())), Err(IdentityError::Revoked { .. })));
    assert!(judge(out_of_turn(Vec::new())).is_ok(), "it does not count for a card, nor against another");
    let rogue = Authority::root("Issuing").crl_with(|crl| {
        crl.this_update = date_time_ymd(2025, 12, 29);
        crl.next_update = date_time_ymd(2025, 12, 30);
        crl.revoked_certs = card();
    });
    assert!(judge(rogue).is_ok(), "signed by somebody else");
    // A revocation that an older list knows and the newest does not was taken back.
    let older = line.issuing.crl_with(|crl| {
        crl.this_update = date_time_ymd(2025, 12, 26);
        crl.next_update = date_time_ymd(2025, 12, 30);
        crl.revoked_certs = vec![revoked(0x1001, RevocationReason::CertificateHold)];
    });
    assert!(judge(older).is_ok());
}

#[test]
fn a_list_may_be_signed_by_an_issuer_only_the_peer_knows() {
    let line = Line::new();
    let mut settings = trusting(&[&line.root]);
    settings.revocation = Revocation::Crls(vec![line.root.crl(), line.issuing.crl()]);
    let validator = validator(settings);
    let peer = peer(&[&line.issuing.card(), &line.issuing.certificate]);
    assert!(validator.judge(&peer, now()).is_ok());
    assert!(validator.judge(&peer, now()).is_ok(), "and again, from memory");
}

#[test]
fn a_list_knows_its_signer_and_nobody_else() {
    let read = |authority: &Authority| ParsedCertificate::parse(&authority.certificate).expect("a CA");
    let (signer, stranger) = (Authority::root("Root"), Authority::root("Root"));
    let crl = Crl::parse(&signer.crl()).expect("a CRL");
    for _ in 0..2 {
        assert!(!crl.is_signed_by(&read(&stranger)));
        assert!(crl.is_signed_by(&read(&signer)));
    }
}

#[test]
fn a_card_of_the_root_needs_the_list_of_the_root_only() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.revocation = Revocation::Crls(vec![root.crl()]);
    assert!(validator(settings).judge(&peer(&[&root.card()]), now()).is_ok());
}

#[test]
fn a_file_may_hold_several_lists_in_pem() {
    let line = Line::new();
    let pem = |der: &[u8]| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("ASCII")).collect();
        format!("-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n", lines.join("\n"))
    };
    let file = format!("the lists of Corp\n{}{}", pem(&line.root.crl()), pem(&line.issuing.crl()));
    assert!(line.judge(vec![file.into_bytes()]).is_ok());
}

#[test]
fn a_text_without_a_list_is_a_problem_of_the_settings() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.revocation = Revocation::Crls(vec![b"nothing here".to_vec()]);
    let refused = Validator::new(settings, now()).expect_err("no list");
    assert_eq!(refused.problems(), [SettingsProblem::Crl { index: 0, error: CrlError::Encoding }]);
}

#[test]
fn the_lists_in_use_can_be_shown() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    let crl = root.crl_with(|crl| crl.revoked_certs = vec![revoked(5, RevocationReason::Superseded)]);
    settings.revocation = Revocation::Crls(vec![crl]);
    let summary = validator(settings).crls().remove(0);
    assert_eq!(
        (summary.issuer.as_str(), summary.entries, summary.scope),
        ("CN=Root,O=Corp", 1, CrlScope::Complete)
    );
    assert_eq!(summary.next_update.map(|end| end.to_string()).as_deref(), Some("2026-01-08T00:00:00Z"));
}

#[test]
fn revocation_is_judged_at_the_time_given() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.revocation = Revocation::Crls(vec![root.crl()]);
    let validator = validator(settings);
    let refused = validator.judge(&peer(&[&root.card()]), now() + days(8));
    assert!(matches!(gap(refused), GapCause::Stale { .. }));
}
