//! Names move between accounts; a card stays its holder's. Names that readers could read differently are nobody's.

use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented, Workstation};
use integration::lab::Lab;
use integration::pki::{CardRequest, Credential};
use integration::samba_ad::Domain;
use integration::wait;
use rcgen::{CertificateParams, CustomExtension, SanType};

use crate::bench::{Bench, start};
use crate::refusals::{assert_refused, code_of};
use crate::strong_mapping::{add_value, issuer_serial, modify};

const DESK1: &str = "desk1.corp.example";

/// Carol and dan, who both may open desktops and have names that are not those of their accounts.
struct Two {
    workstation: Workstation,
    lab: Lab,
}

impl Two {
    fn start(name: &str) -> Self {
        let domain =
            Domain::of_the_tests().user("dan").upn("dan.smith@corp.example").member_of("Desktop Users");
        let lab = Lab::with_domain(name, domain).unwrap();
        Self { workstation: Workstation::start(&lab, name).unwrap(), lab }
    }

    fn log_in(&self, broker: &BrokerProcess, card: &Credential) -> Answer {
        self.workstation.log_in(broker, Presented::File(card), "gw1", DESK1).unwrap()
    }

    /// Cards with their names, changed by `more`: carol's, then dan's.
    fn cards(&self, more: impl for<'a> Fn(CardRequest<'a>, &str) -> CardRequest<'a>) -> [Credential; 2] {
        [("carol.jones", "carol"), ("dan.smith", "dan")].map(|(upn, account)| {
            let card = self.lab.pki().card(&format!("{upn}@corp.example")).fresh();
            more(card, self.lab.controller().sid(account).unwrap()).issue().unwrap()
        })
    }

    /// Exchanges their names.
    fn exchange(&self) {
        rename(&self.lab, "carol", "passing");
        rename(&self.lab, "dan", "carol.jones");
        rename(&self.lab, "carol", "dan.smith");
    }
}

/// Gives an account another user principal name, past the directory's own tools, as whoever may write the attribute can.
fn rename(lab: &Lab, account: &str, upn: &str) {
    let change = format!("replace: userPrincipalName\nuserPrincipalName: {upn}@corp.example");
    modify(lab.controller(), account, &change);
}

/// How many logins the log tells of for the account of a SID.
fn logins_of(broker: &BrokerProcess, sid: &str) -> usize {
    let of_account = |line: &&String| line.contains("went through the line") && line.contains(sid);
    broker.log().iter().filter(of_account).count()
}

#[test]
fn two_people_who_exchange_their_names_do_not_exchange_their_sessions() {
    let two = Two::start("names");
    let broker = start(&Configuration::new(&two.lab));
    let [carol, dan] = two.cards(|card, sid| card.sid(sid));
    for card in [&carol, &dan] {
        code_of(&two.log_in(&broker, card));
    }
    two.exchange();
    // Neither name opens anything as the other, nor as its former holder.
    for card in [&carol, &dan] {
        assert_refused(&two.log_in(&broker, card), "mapping_mismatch", "resolve");
    }
}

#[test]
fn two_people_who_exchange_their_names_do_not_exchange_their_sessions_with_a_memory() {
    let two = Two::start("names-kept");
    let broker = start(&Configuration::new(&two.lab).table("[directory.cache]\nmaximum_age = \"1h\"\n"));
    let [carol, dan] = two.cards(|card, sid| card.sid(sid));
    code_of(&two.log_in(&broker, &carol));
    two.exchange();
    assert_refused(&two.log_in(&broker, &dan), "mapping_mismatch", "resolve");
    // She is remembered as the one who had the name: late, but nobody else.
    code_of(&two.log_in(&broker, &carol));
    let sid = two.lab.controller().sid("carol").unwrap();
    let accounts = broker.log().into_iter().filter(|line| line.contains(" with objectSid "));
    let accounts: Vec<String> = accounts.collect();
    assert!(!accounts.is_empty() && accounts.iter().all(|line| line.contains(sid)), "{accounts:#?}");
}

#[test]
fn cards_that_the_directory_names_stay_with_their_accounts_when_the_names_move() {
    let two = Two::start("valued");
    let broker = start(&Configuration::new(&two.lab));
    let [carol, dan] = two.cards(|card, _| card);
    let nameless = two.lab.pki().card("nobody@corp.example").without_upn().issue().unwrap();
    let controller = two.lab.controller();
    for (account, card) in [("carol", &carol), ("dan", &dan), ("dan", &nameless)] {
        add_value(controller, account, &issuer_serial(card.der()));
        let answer = two.log_in(&broker, card);
        code_of(&answer);
        let upn = if account == "carol" { "carol.jones@corp.example" } else { "dan.smith@corp.example" };
        assert_eq!(answer.field("subject"), Some(upn));
    }
    two.exchange();
    // The name in the card is one's now, the value another's.
    for card in [&carol, &dan] {
        let answer = two.log_in(&broker, card);
        assert_refused(&answer, "mapping_mismatch", "resolve");
        let login_id = answer.field("login_id").unwrap().to_owned();
        let told = |event: &serde_json::Value| {
            event["security_event"] == true
                && [&*login_id, "disagree"].iter().all(|part| event.to_string().contains(part))
        };
        broker.wait_for_event("the disagreement", Duration::from_secs(10), told).unwrap();
    }
    // Without a name in it the card is dan's as before, whatever he is called.
    let answer = two.log_in(&broker, &nameless);
    code_of(&answer);
    assert_eq!(answer.field("subject"), Some("carol.jones@corp.example"));
}

#[test]
fn a_name_alone_goes_with_whoever_has_it_and_is_refused_unless_the_mode_says_otherwise() {
    let two = Two::start("nameonly");
    let broker = |mode: &str| start(&Configuration::new(&two.lab).strong_mapping(mode));
    let [full, compatibility, none] = ["full", "compatibility", "dangerously-none"].map(broker);
    let fresh = two.cards(|card, _| card);
    let old = ["carol.jones", "dan.smith"]
        .map(|upn| two.lab.pki().card(&format!("{upn}@corp.example")).issue().unwrap());
    let names = ["carol.jones@corp.example", "dan.smith@corp.example"];
    let judge = |sids: [&str; 2]| {
        for place in [0, 1] {
            let (fresh, old) = (&fresh[place], &old[place]);
            for card in [fresh, old] {
                assert_refused(&two.log_in(&full, card), "mapping_weak", "resolve");
            }
            assert_refused(&two.log_in(&compatibility, old), "mapping_weak", "resolve");
            for (broker, card) in [(&compatibility, fresh), (&none, fresh), (&none, old)] {
                let before = logins_of(broker, sids[place]);
                let answer = two.log_in(broker, card);
                code_of(&answer);
                assert_eq!(answer.field("subject"), Some(names[place]));
                let told = || (logins_of(broker, sids[place]) > before).then_some(());
                wait::until("the login in the log", Duration::from_secs(10), told).unwrap();
            }
        }
    };
    let sid = |account: &str| two.lab.controller().sid(account).unwrap();
    judge([sid("carol"), sid("dan")]);
    two.exchange();
    // What the weak modes mean: the name is all there is.
    judge([sid("dan"), sid("carol")]);
}

#[test]
fn a_name_that_is_anothers_implicit_one_opens_neither_account() {
    let two = Two::start("implicit");
    let broker = start(&Configuration::new(&two.lab));
    // Below the directory's own modules, which refuse it as a fault of replication would not.
    let ldif = "dn: CN=dan,CN=Users,DC=corp,DC=example\nchangetype: modify\nreplace: userPrincipalName\n\
                userPrincipalName: carol@corp.example\n";
    let database = "tdb:///var/lib/samba/private/sam.ldb.d/DC=CORP,DC=EXAMPLE.ldb";
    let container = two.lab.controller().container();
    let finished = container.exec_with(&["ldbmodify", "-H", database], &[], ldif.as_bytes()).unwrap();
    assert!(finished.succeeded(), "{}{}", finished.text(), finished.error_text());
    let sid = |account: &str| two.lab.controller().sid(account).unwrap();
    for account in ["carol", "dan"] {
        let card = two.lab.pki().card("carol@corp.example").sid(sid(account)).issue().unwrap();
        assert_refused(&two.log_in(&broker, &card), "account_ambiguous", "resolve");
    }
    // The domain controller takes dan for the carol that it is asked for; his ticket is not hers.
    let card = two.lab.pki().card("carol.jones@corp.example").sid(sid("carol")).issue().unwrap();
    assert_refused(&two.log_in(&broker, &card), "account_mismatch", "issue");
}

#[test]
fn a_name_that_readers_could_read_differently_is_nobodys() {
    let bench = Bench::shared();
    let log_in = |change: &dyn Fn(&mut CertificateParams)| {
        let card = bench.card_of("alice").issue_changed(change).unwrap();
        bench.log_in_at(&bench.broker, &card, DESK1)
    };
    let oid = vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
    let named = |name: &str| {
        let name = name.to_owned();
        let oid = oid.clone();
        move |params: &mut CertificateParams| {
            params.subject_alt_names = vec![SanType::OtherName((oid.clone(), name.as_str().into()))];
        }
    };
    code_of(&log_in(&named("ALICE@Corp.Example")));
    for (name, code) in [
        ("alice@corp.example@evil.example", "certificate_invalid"),
        ("alice@evil.example@corp.example", "certificate_invalid"),
        ("alice\0@corp.example", "certificate_invalid"),
        ("alice@corp.example\0.evil.example", "certificate_invalid"),
        ("\u{202e}ecila@corp.example", "certificate_invalid"),
        ("alice\u{200b}@corp.example", "certificate_invalid"),
        ("alice@corp.example\n", "certificate_invalid"),
        ("alice", "certificate_invalid"),
        ("*@corp.example", "certificate_invalid"),
        // Of a realm that is not ours, of one that begins or ends like ours, and letters that only look like hers.
        ("alice@evil.example", "account_unknown"),
        ("alice@corp.example.evil.example", "account_unknown"),
        ("alice@evilcorp.example", "account_unknown"),
        ("\u{430}lice@corp.example", "account_unknown"),
        ("\u{e0}lice@corp.example", "account_unknown"),
    ] {
        let step = if code == "certificate_invalid" { "validate" } else { "resolve" };
        assert_refused(&log_in(&named(name)), code, step);
    }
    // Two names, equal or not, and one of another string type (an IA5String).
    for second in ["alice@corp.example", "bob@corp.example"] {
        let two = |params: &mut CertificateParams| {
            let name = SanType::OtherName((oid.clone(), second.into()));
            params.subject_alt_names.push(name);
        };
        assert_refused(&log_in(&two), "upn_ambiguous", "resolve");
    }
    let another_type = |params: &mut CertificateParams| {
        params.subject_alt_names.clear();
        let name = b"alice@corp.example";
        let name = [&[0xa0, 20, 0x16, 18], name.as_slice()].concat();
        let oid = [0x06, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 3];
        let encoded = [&[0x30, 36, 0xa0, 34], oid.as_slice(), &name].concat();
        params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], encoded));
    };
    assert_refused(&log_in(&another_type), "certificate_invalid", "validate");
}
