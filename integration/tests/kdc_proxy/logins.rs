//! Logins and delegation whose Kerberos goes through a KDC proxy only: another make's and our own, our client's and MIT's.

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented};
use integration::gateway::Gateway;
use integration::gateway::redeem::Form;

use super::judges::Judges;
use crate::bench;

const DESK1: &str = "desk1.corp.example";

/// Our own client, wherever it dials.
fn through(judges: &Judges, url: &str, authorities: String) -> BrokerProcess {
    bench::start(&Configuration::new(&judges.lab).kdc_proxy(url, authorities))
}

fn log_in(judges: &Judges, broker: &BrokerProcess) -> Answer {
    let card = bench::card_of(&judges.lab, "alice").issue().unwrap();
    judges.workstation.log_in(broker, Presented::File(&card), "gw1", DESK1).unwrap()
}

/// Logs alice in with her card and takes the ticket for her desktop.
fn whole_login(judges: &Judges, broker: &BrokerProcess) {
    let answer = log_in(judges, broker);
    let code = answer.code().unwrap_or_else(|| panic!("no login: {answer:?}\n{:#?}", broker.log()));
    let hosts = [("broker.corp.example", judges.lab.network().host_address())];
    let gateway = Gateway::start(&judges.lab, "gw1", &hosts).unwrap();
    let spn = format!("TERMSRV/{DESK1}");
    let session = gateway.redeem(&broker.gateway_address(), code, &[(&spn, Form::Ccache)]).unwrap();
    let listed = gateway.klist(session.file("TERMSRV").unwrap()).unwrap();
    assert!(listed.contains("Default principal: alice@CORP.EXAMPLE"), "{listed}");
    assert!(listed.contains(&format!("{spn}@CORP.EXAMPLE")), "{listed}");
}

#[test]
fn a_card_logs_in_through_the_kdc_proxy_of_another_make() {
    let judges = Judges::shared();
    let broker = through(&judges, &judges.kdcproxy_url(), judges.lab.pki().machine_root_pem());
    whole_login(&judges, &broker);
    let log = judges.kdcproxy.log();
    let answered = log.lines().filter(|line| line.contains("\"POST /KdcProxy HTTP/1.1\" 200")).count();
    assert!(answered >= 4, "AS twice, S4U2Self and S4U2Proxy: {log}");
}

#[test]
fn a_card_logs_in_through_the_kdc_proxy_of_another_broker() {
    let judges = Judges::shared();
    let broker = through(&judges, &judges.edge_url(), judges.lab.pki().machine_root_pem());
    whole_login(&judges, &broker);
    for kind in ["as", "tgs"] {
        let answered = judges.edge.events().iter().any(|event| {
            let is = |name: &str, value| event.get(name).and_then(serde_json::Value::as_str) == Some(value);
            is("kind", kind) && is("outcome", "answered")
        });
        assert!(answered, "{kind}: {:#?}", judges.edge.log());
    }
}

#[test]
fn a_kdc_proxy_of_another_authority_ends_the_login_with_a_typed_error() {
    let judges = Judges::shared();
    let urls = [judges.kdcproxy_url(), judges.edge_url()];
    for url in urls {
        let broker = through(&judges, &url, judges.lab.pki().card_root_pem());
        let answer = log_in(&judges, &broker);
        assert_eq!((answer.status, answer.refusal()), (503, Some("kdc_unavailable")), "{answer:?}");
        let log = broker.log().join("\n");
        assert!(log.contains("its certificate comes from no authority of kdc_proxy_ca"), "{log}");
    }
}

#[test]
fn mit_delegates_through_our_proxy() {
    let judges = Judges::shared();
    let client = judges.workstation.container();
    let url = format!("https://broker.corp.example:{}/KdcProxy", judges.edge_socket.port());
    let configuration = format!(
        "[libdefaults]\n default_realm = CORP.EXAMPLE\n dns_lookup_kdc = false\n rdns = false\n\
         dns_canonicalize_hostname = false\n[realms]\n CORP.EXAMPLE = {{\n  \
         http_anchors = FILE:/etc/ssl/lab/machine-ca.pem\n  kdc = {url}\n }}\n"
    );
    client.write("/lab/edge.conf", configuration.as_bytes(), "644").unwrap();
    client.write("/lab/edge.keytab", &judges.lab.controller().keytab("svc-broker").unwrap(), "600").unwrap();
    let environment = [
        ("KRB5_CONFIG", "/lab/edge.conf"),
        ("KRB5CCNAME", "FILE:/lab/edge.cc"),
        ("KRB5_TRACE", "/dev/stderr"),
    ];
    let run = |command: &[&str]| {
        let finished = client.exec_with(command, &environment, b"").unwrap();
        (finished.succeeded(), finished.text() + &finished.error_text())
    };
    let (logged_in, words) = run(&["kinit", "-fkt", "/lab/edge.keytab", "svc-broker"]);
    assert!(logged_in && words.contains("Sending HTTPS request"), "{words}");

    let (evidence, words) = run(&["kvno", "-U", "alice", "svc-broker"]);
    assert!(evidence && words.contains("Sending HTTPS request"), "{words}");

    let delegate = |target: &str| {
        run(&["kvno", "--out-cache", "/lab/alice.cc", "-k", "/lab/edge.keytab", "-U", "alice", "-P", target])
    };
    let (delegated, words) = delegate("TERMSRV/desk1.corp.example");
    assert!(delegated && !words.contains("UDP") && !words.contains("Initiating TCP"), "{words}");
    let listed = client.run(&["klist", "-c", "/lab/alice.cc"]).unwrap();
    assert!(listed.contains("Default principal: alice@CORP.EXAMPLE"), "{listed}");
    assert!(listed.contains("TERMSRV/desk1.corp.example@CORP.EXAMPLE"), "{listed}");

    let (refused, words) = delegate("TERMSRV/desk3.corp.example");
    assert!(!refused && words.contains("KDC can't fulfill requested option"), "{words}");
}
