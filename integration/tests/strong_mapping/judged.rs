//! Samba 4.24 and the mapper judge the same cards: every form of `altSecurityIdentities` in every mode, and Samba's own list. The
//! manual has where they differ, and why.

use std::collections::{BTreeMap, BTreeSet};

use integration::pki::Credential;
use integration::wait;
use ldap_map::alt_security_identities::Sha1Reading;
use ldap_map::certificate::CertificateFacts;
use ldap_map::mapping::{Card, NamedBy, Rules, Sought, confirm, enforce};
use ldap_map::net::directory::Directory;
use ldap_map::upn::Upn;

use super::cases::{Case, Mode, OWN};
use super::court::{Court, account_of};
use super::samba_cases::{SAMBA_TESTS, SAMBA_VALUES};

const TABLE: &str = include_str!("../../../broker/src/manual/strong_mapping_differences.md");

/// Our verdict about a card, asked as a login asks.
async fn mapped(directory: &Directory, index: usize, case: &Case, card: &Card<'_>, mode: Mode) -> bool {
    let mut rules = Rules {
        enforcement: mode.enforcement(),
        sha1_readings: vec![Sha1Reading::Certificate],
        ..Rules::default()
    };
    if case.name_rule {
        let issuer = hex::encode(card.issuer_sha1.unwrap());
        let line = format!("{issuer}; 1.2.3; UpnSuffix=corp.example, IssuerSubject");
        rules.name_rules.push(line.parse().unwrap());
    }
    let (sought, named_by) = if case.name.contains("the person names") {
        let upn = Upn::parse(&format!("{}@corp.example", account_of(index))).unwrap();
        (Ok(Sought::by_name(upn)), NamedBy::Person)
    } else {
        (Sought::by_card(card, &rules), NamedBy::Card)
    };
    let Ok(sought) = sought else { return false };
    let Ok((account, _)) = directory.account_sought(&sought).await else { return false };
    let right = account.dn.to_string().starts_with(&format!("CN={},", account_of(index)));
    let mapping = confirm(card, &account, &rules, named_by);
    right
        && account.check_usable(wait::now()).is_ok()
        && mapping.is_ok_and(|mapping| enforce(&mapping, card, &account, &rules, named_by).is_ok())
}

/// The rows of the manual's table: case and mode, ours, theirs, why.
fn table() -> BTreeMap<(String, String), (String, String, String)> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")) {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [case, mode, ours, theirs, reason] = *cells.as_slice() else {
            panic!("a row of another form: {line}")
        };
        if case == "card and value" {
            continue;
        }
        let row = (ours.to_owned(), theirs.to_owned(), reason.to_owned());
        assert!(rows.insert((case.to_owned(), mode.to_owned()), row).is_none(), "twice: {line}");
    }
    rows
}

#[tokio::test]
async fn a_domain_controller_and_the_mapper_agree_or_differ_as_the_manual_says() {
    let cases: Vec<&Case> = [OWN, SAMBA_TESTS, SAMBA_VALUES].into_iter().flatten().collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "a case stands twice");
    let court = Court::open(&cases);
    let cards: Vec<Credential> = court.cards(&cases);
    let issuer = CertificateFacts::parse(court.pki.card_issuer_der()).unwrap();
    let issuer_sha1 = Some(issuer.sha1().certificate);
    let directory = court.directory();
    let (mut said, verdicts) = (table(), court.verdicts(&cases));
    let (mut wrong, mut differing) = (Vec::new(), 0);
    for ((mode, index), theirs) in &verdicts {
        let (case, mode) = (cases[*index], *mode);
        let facts = CertificateFacts::parse(cards[*index].der()).unwrap();
        let ours = mapped(&directory, *index, case, &Card { facts: &facts, issuer_sha1 }, mode).await;
        let ours = if ours { "ok" } else { "refused" };
        let row = said.remove(&(case.name.to_owned(), mode.as_str().to_owned()));
        let alike = (ours == "ok") == (theirs == "ok") && ["ok", "66", "75"].contains(&theirs.as_str());
        differing += usize::from(!alike);
        let right = match &row {
            None => alike,
            Some((a, b, reason)) => !alike && a == ours && b == theirs && reason.len() > 10,
        };
        if !right {
            let reason = row.map_or_else(|| "?".to_owned(), |(_, _, reason)| reason);
            wrong.push(format!("| `{}` | {} | `{ours}` | `{theirs}` | {reason} |", case.name, mode.as_str()));
        }
    }
    println!("{} cards, {} questions, {differing} judged differently", cases.len(), verdicts.len());
    assert!(wrong.is_empty(), "the manual does not say:\n{}\n", wrong.join("\n"));
    assert!(said.is_empty(), "the manual speaks of what is not judged: {said:#?}");
    let counted = format!("Of {} cards and {} questions these {differing} are", cases.len(), verdicts.len());
    assert!(TABLE.contains(&counted), "the manual does not say: {counted}");
}
