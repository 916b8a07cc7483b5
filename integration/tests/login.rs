//! The straight line: a card becomes a session, and the servers take the tickets as the person's.

use integration::broker_process::Configuration;
use integration::card::{Answer, Presented, TokenKind, Workstation};
use integration::desktop::Desktop;
use integration::gateway::Gateway;
use integration::gateway::redeem::{Form, Redeemed};
use integration::pki::KeyKind;

use crate::bench::{Bench, start};

const DESK1: &str = "desk1.corp.example";
const DESK2: &str = "desk2.corp.example";

/// A gateway of `bench` by its name, that knows the broker and the desktops given.
fn gateway(bench: &Bench, name: &str, desktops: &[&Desktop]) -> Gateway {
    let mut hosts = vec![("broker.corp.example", bench.lab.network().host_address())];
    hosts.extend(desktops.iter().map(|desktop| (desktop.host(), desktop.address())));
    Gateway::start(&bench.lab, name, &hosts).unwrap()
}

fn redeemed(bench: &Bench, gateway: &Gateway, answer: &Answer, tickets: &[(&str, Form)]) -> Redeemed {
    let code = answer.code().unwrap_or_else(|| panic!("no login: {answer:?}"));
    gateway.redeem(&bench.broker.gateway_address(), code, tickets).unwrap()
}

#[test]
fn cards_of_every_kind_log_in() {
    let bench = Bench::shared();
    for kind in [KeyKind::Rsa2048, KeyKind::P256] {
        let answer = bench.log_in(&bench.card_of("alice").key(kind), DESK1);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.field("gateway"), Some("gw1"));
        assert_eq!(answer.field("subject"), Some("alice@corp.example"));
        assert_eq!(answer.code().map(str::len), Some(43), "32 octets in base64url");
        let expires = answer.body.get("expires_in").and_then(serde_json::Value::as_u64);
        assert_eq!(expires, Some(60));
    }
}

#[test]
fn a_real_token_logs_in_with_a_key_that_never_leaves_it() {
    let bench = Bench::shared();
    for kind in [TokenKind::Rsa, TokenKind::P256] {
        let workstation = Workstation::start(&bench.lab, &format!("token-{kind:?}").to_lowercase()).unwrap();
        workstation.insert_token(&bench.card_of("alice"), kind).unwrap();
        let answer = workstation.log_in(&bench.broker, Presented::Token, "gw1", DESK1).unwrap();
        assert_eq!(answer.status, 200, "{kind:?}: {answer:?}");
        let objects = workstation.private_key_facts().unwrap();
        assert!(objects.contains("never extractable"), "{objects}");
    }
}

#[test]
fn a_token_that_cannot_sign_rsa_pss_logs_in_over_tls_1_2() {
    let bench = Bench::shared();
    let workstation = Workstation::start(&bench.lab, "old-token").unwrap();
    workstation.insert_token(&bench.card_of("alice"), TokenKind::RsaWithoutPss).unwrap();
    let modern = workstation.log_in(&bench.broker, Presented::Token, "gw1", DESK1);
    assert!(modern.is_err(), "the token does sign with PSS, and so shows nothing: {modern:?}");
    let answer = workstation.log_in(&bench.broker, Presented::OldToken, "gw1", DESK1).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_session_names_the_person_and_what_was_granted() {
    let bench = Bench::shared();
    let gateway = gateway(&bench, "gw1", &[]);
    let answer = bench.log_in(&bench.card_of("alice"), DESK1);
    let session = redeemed(&bench, &gateway, &answer, &[]);
    assert_eq!(session.upn, "alice@corp.example");
    assert_eq!((session.sam_account_name.as_str(), session.realm.as_str()), ("alice", "CORP.EXAMPLE"));
    assert_eq!(session.sid, bench.lab.controller().sid("alice").unwrap());
    assert_eq!((session.target.as_str(), session.rule.as_str()), (DESK1, "desktop-users"));
    let granted = ["TERMSRV", "HTTP", "host", "vnc"].map(|class| format!("{class}/{DESK1}"));
    assert_eq!(session.granted_spns, granted);
    let listed = gateway.klist(session.file("TERMSRV").unwrap()).unwrap();
    assert!(listed.contains("Default principal: alice@CORP.EXAMPLE"), "{listed}");
    assert!(listed.contains(&format!("TERMSRV/{DESK1}@CORP.EXAMPLE")), "{listed}");
}

#[test]
fn a_person_whose_two_names_differ_is_known_by_the_account_s() {
    let bench = Bench::shared();
    let gateway = gateway(&bench, "gw1", &[]);
    let sid = bench.lab.controller().sid("carol").unwrap();
    let answer = bench.log_in(&bench.lab.pki().card("carol.jones@corp.example").sid(sid), DESK1);
    let session = redeemed(&bench, &gateway, &answer, &[]);
    assert_eq!(
        (session.upn.as_str(), session.sam_account_name.as_str()),
        ("carol.jones@corp.example", "carol")
    );
}

#[test]
fn a_target_s_own_list_delegates_as_well_and_a_token_opens_its_page() {
    let bench = Bench::shared();
    let desktop = Desktop::start(&bench.lab, "desk2").unwrap();
    let gateway = gateway(&bench, "gw1", &[&desktop]);
    let answer = bench.log_in(&bench.card_of("alice"), DESK2);
    let spn = format!("HTTP/{DESK2}");
    let session = redeemed(&bench, &gateway, &answer, &[(&spn, Form::SpnegoToken)]);
    let page = gateway.http_with_token(session.file("HTTP").unwrap(), &format!("http://{DESK2}/")).unwrap();
    assert_eq!((page.status, page.remote_user.as_str()), (200, "alice"));
}

#[test]
fn a_whole_run_writes_no_secret_and_ends_in_order() {
    let bench = Bench::shared();
    let broker = start(&Configuration::new(&bench.lab).gateway("gw4"));
    let gateway = gateway(&bench, "gw4", &[]);
    let card = bench.card_of("alice").issue().unwrap();
    let answer = bench.workstation.log_in(&broker, Presented::File(&card), "gw4", DESK1).unwrap();
    let code = answer.code().unwrap_or_else(|| panic!("no login: {answer:?}")).to_owned();
    let spn = format!("HTTP/{DESK1}");
    let forms =
        [(spn.as_str(), Form::SpnegoToken), (spn.as_str(), Form::Ccache), (spn.as_str(), Form::KrbCred)];
    let session = gateway.redeem(&broker.gateway_address(), &code, &forms).unwrap();
    bench.log_in_at(&broker, &bench.card_of("dave").issue().unwrap(), DESK1);

    let mut secrets = vec![("the code", code.into_bytes())];
    let password = bench.lab.controller().domain().password("svc-broker").unwrap();
    secrets.push(("the password", password.into_bytes()));
    secrets.extend(keys(&bench).into_iter().map(|key| ("a key", key)));
    for ticket in &session.tickets {
        secrets.push(("a ticket", gateway.container().read(&ticket.file).unwrap()));
    }

    let ended = broker.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let log = ended.log.join("\n");
    assert!(log.contains(&session.login_id), "the log is the one of this run");
    for (name, secret) in &secrets {
        for written in spellings(secret) {
            assert!(!log.contains(&written), "{name} is in the log");
        }
    }
}

/// The keys of the broker's account, as MIT's klist reads them.
fn keys(bench: &Bench) -> Vec<Vec<u8>> {
    let client = bench.workstation.container();
    client.write("/lab/svc.keytab", &bench.lab.controller().keytab("svc-broker").unwrap(), "600").unwrap();
    let listed = client.run(&["klist", "-k", "-K", "/lab/svc.keytab"]).unwrap();
    let key = |line: &str| hex::decode(line.split_once("(0x")?.1.trim_end().trim_end_matches(')')).ok();
    let keys: Vec<Vec<u8>> = listed.lines().filter_map(key).collect();
    assert!(!keys.is_empty(), "{listed}");
    keys
}

/// How a secret could be written: as text, in hexadecimal, as a list of numbers, in base64; of a long one, its middle.
fn spellings(secret: &[u8]) -> Vec<String> {
    let middle = if secret.len() > 64 { &secret[secret.len() / 2..][..24] } else { secret };
    let hexadecimal = hex::encode(middle);
    let numbers = format!("{middle:?}").trim_matches(['[', ']']).to_owned();
    let mut all = vec![hexadecimal.to_uppercase(), hexadecimal, numbers];
    all.extend(std::str::from_utf8(middle).ok().map(str::to_owned));
    all
}
