//! Revocation by live responders: what each answer, each failure and each silence comes to at the real broker.
//!
//! The honest answers are OpenSSL's. What OpenSSL does not do, such as to redirect, a little server does.

use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::gateway::Gateway;
use integration::ocsp::{Behaviour, Responder, Server, Signer, Status, dead_port};
use integration::pki::Credential;

use crate::bench::{Bench, start};
use crate::refusals::{assert_refused, code_of, told};

const DESK1: &str = "desk1.corp.example";
const LIMIT: Duration = Duration::from_secs(10);

/// The tables of an order, with these ports to ask at.
fn tables(ports: &[u16], question_timeout: &str, issuers: &str) -> String {
    format!(
        "question_timeout = \"{question_timeout}\"\nreuse_answers = \"0s\"\n{issuers}\n\
         [identity.fetch]\nallow_networks = [\"127.0.0.0/8\"]\nallow_ports = {ports:?}\n"
    )
}

fn broker(bench: &Bench, revoked: &[&Credential], tables: &str) -> BrokerProcess {
    start(&Configuration::new(&bench.lab).revocation_ordered(revoked, tables))
}

#[test]
fn each_answer_and_each_failure_of_a_responder_has_its_own_end() {
    let bench = Bench::shared();
    let card = |url: &str| bench.card_of("alice").ocsp(url).issue().unwrap();
    let pki = bench.lab.pki();
    let with = |signer, time| {
        let port = dead_port().unwrap();
        let url = format!("http://127.0.0.1:{port}/");
        let cards = [card(&url), card(&url), card(&url)];
        let known = [(&cards[0], Status::Good), (&cards[1], Status::Revoked)];
        let responder = Responder::start_at(pki, port, &known, signer, time).unwrap();
        (responder, cards)
    };
    let (delegate, [good, revoked, unknown]) = with(Signer::Delegate, None);
    let (issuer, [of_issuer, ..]) = with(Signer::Issuer, None);
    let (wrong, [of_wrong, ..]) = with(Signer::Unauthorised, None);
    let (old, [stale, ..]) = with(Signer::Delegate, Some("-1d"));

    let server = |behaviour| Server::start(behaviour).unwrap();
    let answers = |status, headers: &str, body| Behaviour::Answers(status, headers.to_owned(), body);
    let elsewhere = server(answers("200 OK", "", Vec::new()));
    let redirecting = server(answers("302 Found", &format!("Location: {}\r\n", elsewhere.url()), Vec::new()));
    let oversized = server(answers("200 OK", "", vec![0x30; 70_000]));
    let failing = server(answers("500 Internal Server Error", "", Vec::new()));
    let slow = server(Behaviour::Holds);
    // An answer of the true responder to somebody else's question, and about another card than the one that is asked about.
    let replaying = server(answers("200 OK", "", delegate.answer(&good).unwrap()));
    let dead = dead_port().unwrap();

    let mut ports = vec![delegate.port(), issuer.port(), wrong.port(), old.port(), dead];
    let servers = [&redirecting, &oversized, &failing, &slow, &replaying];
    ports.extend(servers.map(Server::port));
    let issuers = "[[identity.revocation.issuer]]\norder = [\"ocsp\"]\nocsp_nonce = \"required\"\n";
    let broker = broker(&bench, &[], &tables(&ports, "500ms", issuers));
    let log_in = |card: &Credential| bench.log_in_at(&broker, card, DESK1);

    code_of(&log_in(&good));
    code_of(&log_in(&of_issuer));
    assert_refused(&log_in(&revoked), "certificate_revoked", "validate");
    let refused = |card: &Credential, words: &str| {
        let answer = log_in(card);
        assert_refused(&answer, "revocation_unknown", "validate");
        let line = told(&broker, &answer);
        assert!(line.contains(words), "{words}: {line}");
    };
    refused(&unknown, "the OCSP responder does not know the certificate");
    refused(&stale, "the OCSP response ended at");
    refused(&of_wrong, "signed by nobody the issuer has authorised");
    refused(&card(&format!("http://127.0.0.1:{dead}/")), "no connection");
    refused(&card(&redirecting.url()), "sends elsewhere");
    refused(&card(&oversized.url()), "more than 65536 octets");
    refused(&card(&failing.url()), "http status 500");
    refused(&card(&slow.url()), "no answer in time");
    refused(&card(&replaying.url()), "the reply has the nonce of another question");
    refused(&bench.card_of("alice").issue().unwrap(), "nobody is named to be asked");
    assert_eq!((redirecting.questions(), elsewhere.questions()), (1, 0), "no redirection is followed");
}

#[test]
fn a_dead_responder_degrades_as_its_issuers_order_says_and_the_session_tells_it() {
    let bench = Bench::shared();
    let dead = dead_port().unwrap();
    let url = format!("http://127.0.0.1:{dead}/");
    let card = || bench.card_of("alice").ocsp(&url);
    let (good, revoked) = (card().issue().unwrap(), card().issue().unwrap());
    let open = card().by_the_second_authority().issue().unwrap();
    let issuers = "[[identity.revocation.issuer]]\norder = [\"ocsp\", \"files\"]\n\
                   [[identity.revocation.issuer]]\nname = \"O=Corp,CN=Corp Second Issuing CA\"\norder = [\"ocsp\"]\n\
                   accept_unknown_revocation_status = true\n";
    let broker = broker(&bench, &[&revoked], &tables(&[dead], "5s", issuers));
    broker.wait_for_line("accept_unknown_revocation_status", LIMIT).unwrap();

    assert_refused(&bench.log_in_at(&broker, &revoked, DESK1), "certificate_revoked", "validate");
    let hosts = [("broker.corp.example", bench.lab.network().host_address())];
    let gateway = Gateway::start(&bench.lab, "gw1", &hosts).unwrap();
    let evidence = |card: &Credential| {
        let code = code_of(&bench.log_in_at(&broker, card, DESK1));
        gateway.redeem(&broker.gateway_address(), &code, &[]).unwrap().revocation
    };
    let by_list = evidence(&good);
    assert_eq!(by_list["degraded"], true, "{by_list}");
    assert_eq!(by_list["something_unknown"], false, "{by_list}");
    assert!(by_list["oldest"].is_string(), "{by_list}");
    let of_card = &by_list["certificates"][0];
    assert_eq!(of_card["issuer"], "O=Corp,CN=Corp Issuing CA", "{by_list}");
    assert_eq!(of_card["sources"][0], "crl of O=Corp,CN=Corp Issuing CA", "{by_list}");
    assert!(of_card["passed_over"][0].as_str().unwrap().starts_with(&format!("ocsp {url}: ")), "{by_list}");
    broker.wait_for_line("revocation is known from a further source only", LIMIT).unwrap();

    let unknown = evidence(&open);
    assert_eq!(unknown["something_unknown"], true, "{unknown}");
    broker.wait_for_line("accepted though nothing is known of its revocation", LIMIT).unwrap();
}

#[test]
fn a_list_that_revokes_a_card_outweighs_a_responder_that_calls_it_good() {
    let bench = Bench::shared();
    let port = dead_port().unwrap();
    let card = bench.card_of("alice").ocsp(&format!("http://127.0.0.1:{port}/")).issue().unwrap();
    let known = [(&card, Status::Good)];
    let responder = Responder::start_at(bench.lab.pki(), port, &known, Signer::Delegate, None).unwrap();
    let issuers = "[[identity.revocation.issuer]]\norder = [\"ocsp\", \"files\"]\n";
    let tables = tables(&[responder.port()], "5s", issuers);
    let broker = broker(&bench, &[&card], &tables);
    assert_refused(&bench.log_in_at(&broker, &card, DESK1), "certificate_revoked", "validate");
}

#[test]
fn a_slow_responder_of_one_issuer_holds_up_no_login_of_another() {
    let bench = Bench::shared();
    let mut slow = Server::start(Behaviour::Holds).unwrap();
    let held = bench.card_of("alice").by_the_second_authority().ocsp(&slow.url()).issue().unwrap();
    let port = dead_port().unwrap();
    let quick = bench.card_of("alice").ocsp(&format!("http://127.0.0.1:{port}/")).issue().unwrap();
    let known = [(&quick, Status::Good)];
    let responder = Responder::start_at(bench.lab.pki(), port, &known, Signer::Delegate, None).unwrap();
    let issuers = "[[identity.revocation.issuer]]\norder = [\"ocsp\"]\n";
    let tables = tables(&[slow.port(), responder.port()], "60s", issuers);
    let broker = broker(&bench, &[], &tables);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bench.log_in_at(&broker, &held, DESK1));
        slow.wait_for_question().unwrap();
        code_of(&bench.log_in_at(&broker, &quick, DESK1));
        assert!(!waiting.is_finished(), "its responder has not answered yet");
        slow.release();
        assert_refused(&waiting.join().unwrap(), "revocation_unknown", "validate");
    });
}

#[test]
fn short_questions_go_by_get_and_each_responder_of_the_order_has_its_turn() {
    let bench = Bench::shared();
    let pki = bench.lab.pki();
    let (dead, port) = (dead_port().unwrap(), dead_port().unwrap());
    let card = || bench.card_of("alice").ocsp(&format!("http://127.0.0.1:{dead}/")).issue().unwrap();
    let (good, revoked) = (card(), card());
    let known = [(&good, Status::Good), (&revoked, Status::Revoked)];
    let responder = Responder::start_at(pki, port, &known, Signer::Delegate, None).unwrap();
    let relay = Server::start(Behaviour::Relays(responder.port())).unwrap();
    let issuers = format!(
        "[[identity.revocation.issuer]]\norder = [\"ocsp\", \"alternate_ocsp\"]\nalternate_ocsp = [\"{}\"]\n\
         ocsp_method = \"get\"\nocsp_nonce = \"off\"\n",
        relay.url()
    );
    let broker = broker(&bench, &[], &tables(&[dead, relay.port()], "5s", &issuers));
    code_of(&bench.log_in_at(&broker, &good, DESK1));
    broker.wait_for_line("revocation is known from a further source only", LIMIT).unwrap();
    assert_refused(&bench.log_in_at(&broker, &revoked, DESK1), "certificate_revoked", "validate");
    assert_eq!(relay.methods(), ["GET", "GET"]);
}

#[test]
fn a_responder_that_the_issuer_has_not_authorised_counts_where_the_configuration_names_it() {
    let bench = Bench::shared();
    let port = dead_port().unwrap();
    let card = || bench.card_of("alice").ocsp(&format!("http://127.0.0.1:{port}/")).issue().unwrap();
    let (good, revoked) = (card(), card());
    let known = [(&good, Status::Good), (&revoked, Status::Revoked)];
    let pki = bench.lab.pki();
    let responder = Responder::start_at(pki, port, &known, Signer::Unauthorised, None).unwrap();
    let start_with = |named: &str| {
        let issuers = format!("[[identity.revocation.issuer]]\norder = [\"ocsp\"]\n{named}");
        broker(&bench, &[], &tables(&[port], "5s", &issuers))
    };
    let without = start_with("");
    assert_refused(&bench.log_in_at(&without, &good, DESK1), "revocation_unknown", "validate");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("responder.pem");
    std::fs::write(&file, responder.signer_pem().unwrap()).unwrap();
    let with = start_with(&format!("ocsp_responders = {:?}\n", file.to_str().unwrap()));
    code_of(&bench.log_in_at(&with, &good, DESK1));
    assert_refused(&bench.log_in_at(&with, &revoked, DESK1), "certificate_revoked", "validate");
}

#[test]
fn a_responder_that_dies_leaves_its_last_answer_and_cards_without_one_are_refused() {
    let bench = Bench::shared();
    let port = dead_port().unwrap();
    let card = || bench.card_of("alice").ocsp(&format!("http://127.0.0.1:{port}/")).issue().unwrap();
    let (seen, revoked, unseen) = (card(), card(), card());
    let known = [(&seen, Status::Good), (&revoked, Status::Revoked), (&unseen, Status::Good)];
    let responder = Responder::start_at(bench.lab.pki(), port, &known, Signer::Delegate, None).unwrap();
    let issuers =
        "[[identity.revocation.issuer]]\norder = [\"ocsp\", \"cached\"]\ncached_no_older_than = \"1h\"\n";
    let broker = broker(&bench, &[], &tables(&[port], "5s", issuers));
    code_of(&bench.log_in_at(&broker, &seen, DESK1));
    assert_refused(&bench.log_in_at(&broker, &revoked, DESK1), "certificate_revoked", "validate");
    drop(responder);
    let hosts = [("broker.corp.example", bench.lab.network().host_address())];
    let gateway = Gateway::start(&bench.lab, "gw1", &hosts).unwrap();
    let code = code_of(&bench.log_in_at(&broker, &seen, DESK1));
    let evidence = gateway.redeem(&broker.gateway_address(), &code, &[]).unwrap().revocation;
    assert_eq!(evidence["degraded"], true, "{evidence}");
    assert_refused(&bench.log_in_at(&broker, &revoked, DESK1), "certificate_revoked", "validate");
    let refused = bench.log_in_at(&broker, &unseen, DESK1);
    assert_refused(&refused, "revocation_unknown", "validate");
    assert!(told(&broker, &refused).contains("nothing is remembered"));
}

#[test]
fn an_answer_that_a_gateway_presents_with_a_card_counts_until_something_says_that_it_is_revoked() {
    let bench = Bench::shared();
    let pki = bench.lab.pki();
    let (port, dead) = (dead_port().unwrap(), dead_port().unwrap());
    let card = || bench.card_of("alice").ocsp(&format!("http://127.0.0.1:{dead}/")).issue().unwrap();
    let (good, revoked, on_the_list) = (card(), card(), card());
    let known = [(&good, Status::Good), (&revoked, Status::Revoked), (&on_the_list, Status::Good)];
    let responder = Responder::start_at(pki, port, &known, Signer::Delegate, None).unwrap();
    let old_port = dead_port().unwrap();
    let old = Responder::start_at(pki, old_port, &known, Signer::Delegate, Some("-1d")).unwrap();
    let strange_port = dead_port().unwrap();
    let stranger = Responder::start_at(pki, strange_port, &known, Signer::Unauthorised, None).unwrap();
    let issuers = "[[identity.revocation.issuer]]\norder = [\"stapled\", \"ocsp\"]\n\
                   [[gateway]]\nname = \"gw7\"\ndns_name = \"gw7.corp.example\"\nmay_present = true\n\
                   may_present_without_proof = true\n";
    let broker = broker(&bench, &[], &tables(&[dead], "5s", issuers));
    let with_list = "[[identity.revocation.issuer]]\norder = [\"stapled\", \"files\"]\n\
                     [[gateway]]\nname = \"gw7\"\ndns_name = \"gw7.corp.example\"\nmay_present = true\n\
                     may_present_without_proof = true\n";
    let with_list = self::broker(&bench, &[&on_the_list], &tables(&[dead], "5s", with_list));
    let hosts = [("broker.corp.example", bench.lab.network().host_address())];
    let gateway = Gateway::start(&bench.lab, "gw7", &hosts).unwrap();
    let client = bench.workstation.container().address();
    let present = |broker: &BrokerProcess, card: &Credential, response: &[u8]| {
        let (address, chain) = (broker.gateway_address(), card.chain_pem());
        gateway.authenticate_stapling(&address, chain, response, DESK1, client)
    };
    let reason = |broker: &BrokerProcess, card: &Credential, response: &[u8]| {
        present(broker, card, response).unwrap_err().reason().unwrap().to_owned()
    };
    let said = |card: &Credential| responder.answer(card).unwrap();
    let session = present(&broker, &good, &said(&good)).unwrap();
    assert_eq!(session.upn, "alice@corp.example");
    assert_eq!(reason(&broker, &revoked, &said(&revoked)), "CERTIFICATE_REVOKED");
    let useless =
        [said(&revoked), old.answer(&good).unwrap(), stranger.answer(&good).unwrap(), vec![0x30, 0]];
    for response in &useless {
        assert_eq!(reason(&broker, &good, response), "REVOCATION_UNKNOWN", "the card's responder is dead");
    }
    let refused = present(&broker, &good, &vec![0x30; 16 * 1024 + 1]).unwrap_err();
    assert_eq!(refused.reason(), Some("REQUEST_INVALID"));
    assert_eq!(reason(&with_list, &on_the_list, &said(&on_the_list)), "CERTIFICATE_REVOKED");
    present(&with_list, &good, &said(&good)).unwrap();
}
