//! The search for domain controllers against two real ones, their DNS and their word on themselves; and a broker that knows no
//! more of its domain.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented, Workstation};
use integration::lab::{Forests, Lab};
use integration::samba_ad::DomainController;
use integration::wait;
use ldap_map::net::locate::{DnsError, LocateError, Located, Locator, Settings, Standing};

use serde_json::{Value, json};

use crate::bench::{card_of, start};

const DESK1: &str = "desk1.corp.example";
/// What a broker needs to notice a change, on a loaded machine.
const NOTICE_LIMIT: Duration = Duration::from_secs(60);

/// The site that Samba makes with the domain.
const SITE: &str = "Default-First-Site-Name";

fn settings(dns_servers: Vec<SocketAddr>) -> Settings {
    Settings {
        domain: "corp.example".to_owned(),
        host_domains: vec!["corp.example".to_owned()],
        dns_servers,
        site: None,
        timeout: Duration::from_secs(2),
        refresh_interval: Duration::from_secs(300),
        certificates_name_domain: true,
    }
}

async fn found(settings: Settings) -> Located {
    let located = Locator::new(settings).unwrap().look().await.unwrap();
    Located::clone(&located)
}

#[tokio::test]
async fn both_domain_controllers_are_found_by_the_dns_of_their_domain() {
    let lab = Lab::with_two_controllers("discovery").unwrap();
    let expected: Vec<_> =
        lab.controllers().into_iter().map(|one| (one.name().to_owned(), one.address())).collect();
    for dns in lab.controllers() {
        let settings = settings(vec![SocketAddr::from((dns.address(), 53))]);
        let both = |located: &Located, standing: Standing| {
            let mut controllers = located.controllers.clone();
            controllers.sort_by(|one, other| one.host.cmp(&other.host));
            assert_eq!(expected.len(), controllers.len(), "{controllers:?}");
            for (controller, (host, address)) in controllers.iter().zip(&expected) {
                assert_eq!((host.as_str(), 88), (controller.host.as_str(), controller.kdc_port));
                // The controllers register the addresses of the machine beneath them too.
                assert!(controller.addresses.contains(&IpAddr::from(*address)), "{controller:?}");
                assert_eq!((Some(SITE), standing), (controller.site.as_deref(), controller.standing));
            }
        };

        let located = found(settings.clone()).await;
        assert_eq!(Some(SITE), located.site.as_deref(), "the domain controllers tell the site");
        both(&located, Standing::Closest);

        let located = found(Settings { site: Some(SITE.to_lowercase()), ..settings.clone() }).await;
        both(&located, Standing::Closest);

        let located = found(Settings { site: Some("Nowhere".to_owned()), ..settings.clone() }).await;
        assert_eq!(Some("Nowhere"), located.site.as_deref());
        both(&located, Standing::Elsewhere);

        let elsewhere = Settings { host_domains: vec!["beta.example".to_owned()], ..settings.clone() };
        let refused = Locator::new(elsewhere).unwrap().look().await.unwrap_err();
        assert_eq!(LocateError::None { domain: "corp.example".to_owned(), asked: 0 }, refused);

        let unknown = Settings { domain: "none.corp.example".to_owned(), ..settings };
        let unknown = Locator::new(unknown).unwrap().look().await.unwrap_err();
        assert!(matches!(unknown, LocateError::Dns { error: DnsError::NoRecord, .. }), "{unknown}");
    }
}

#[tokio::test]
async fn dns_that_is_not_there_is_said_to_fail() {
    // A port that was ours and now is nobody's.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let quick = Settings { timeout: Duration::from_millis(500), ..settings(vec![address]) };
    // First it is silent, then it is gone.
    let silent = Locator::new(quick.clone()).unwrap().look().await.unwrap_err();
    drop(socket);
    let gone = Locator::new(quick).unwrap().look().await.unwrap_err();
    let name = "_ldap._tcp.dc._msdcs.corp.example.".to_owned();
    assert_eq!(LocateError::Dns { name: name.clone(), error: DnsError::Timeout }, silent);
    assert!(matches!(gone, LocateError::Dns { error: DnsError::Timeout | DnsError::Failed, .. }), "{gone}");
}

/// Stops or continues the process of a domain controller that serves DNS, and no other of its processes.
fn signal_dns(controller: &DomainController, signal: &str) {
    let script = r#"for process in /proc/[0-9]*; do case "$(tr '\\0' ' ' <"$process/cmdline")" in
        "samba: task[dns] "*) kill "$0" "${process##*/}" && found=1 ;; esac; done; [ "$found" = 1 ]"#;
    controller.container().run(&["sh", "-c", script, signal]).unwrap();
}

/// A broker that was told the name of its domain and where to ask for names, and a workstation to log in at.
struct Discovering<'a> {
    workstation: Workstation,
    broker: BrokerProcess,
    status: SocketAddr,
    lab: &'a Lab,
}

impl<'a> Discovering<'a> {
    fn start(lab: &'a Lab, configuration: Configuration<'a>) -> Self {
        let listener = TcpListener::bind((lab.network().host_address(), 0)).unwrap();
        let status = listener.local_addr().unwrap();
        drop(listener);
        let dns: Vec<_> = lab.controllers().iter().map(|one| SocketAddr::from((one.address(), 53))).collect();
        let health = format!("\n[health]\nlisten = \"{status}\"\nloopback_only = false\ninterval = \"1s\"\n");
        let keys = "timeout = \"500ms\"\nrefresh_interval = \"1s\"";
        let broker = start(&configuration.discovering(&dns, keys).table(&health));
        Self { workstation: Workstation::start(lab, "status").unwrap(), broker, status, lab }
    }

    fn log_in(&self) -> Answer {
        let card = card_of(self.lab, "alice").issue().unwrap();
        self.workstation.log_in(&self.broker, Presented::File(&card), "gw1", DESK1).unwrap()
    }

    /// A page of the status listener, read by curl.
    fn page(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.status);
        self.workstation.container().run(&["curl", "--silent", "--show-error", &url]).unwrap()
    }

    fn realms(&self) -> Vec<Value> {
        let page: Value = serde_json::from_str(&self.page("/controllers")).unwrap();
        page["realms"].as_array().unwrap().clone()
    }

    /// Waits until the status page says this of the first realm, and returns it.
    fn wait_for(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, NOTICE_LIMIT, || self.realms().into_iter().next().filter(&holds))
            .unwrap_or_else(|late| panic!("{late}: {:#?}\n{}", self.realms(), self.broker.log().join("\n")))
    }
}

/// The hosts of a realm's directory or KDCs, in their order.
fn hosts<'r>(realm: &'r Value, service: &str) -> Vec<&'r str> {
    realm[service].as_array().unwrap().iter().map(|one| one["host"].as_str().unwrap()).collect()
}

#[test]
fn a_broker_that_finds_its_domain_by_dns_serves_while_dns_and_a_controller_are_away() {
    let lab = Lab::with_two_controllers("discovering").unwrap();
    let [first, second] = lab.controllers().try_into().unwrap();
    for (service, port) in [("_ldap._tcp.dc", 389), ("_kerberos._tcp.dc", 88)] {
        let forged = format!("dc1.evil.example {port} 0 100");
        first
            .samba_tool(&["dns", "add", first.name(), "_msdcs.corp.example", service, "SRV", &forged, "-P"])
            .unwrap();
    }
    let discovering = Discovering::start(&lab, Configuration::new(&lab));
    assert!(discovering.log_in().code().is_some(), "{}", discovering.broker.log().join("\n"));
    discovering.broker.wait_for_line("outside of the configured domains", NOTICE_LIMIT).unwrap();
    let found = discovering.wait_for("a search", |realm| realm["discovery"]["state"] == "ok");
    assert_eq!((&json!("CORP.EXAMPLE"), &json!("discovery")), (&found["realm"], &found["source"]));
    assert_eq!(hosts(&found, "directory"), hosts(&found, "kdcs"), "one order for both");
    for (service, port) in [("directory", 636), ("kdcs", 88)] {
        let mut named = hosts(&found, service);
        named.sort_unstable();
        assert_eq!(named, [first.name(), second.name()]);
        for one in found[service].as_array().unwrap() {
            let controller = if one["host"] == first.name() { first } else { second };
            // The first address is the one that answered; the machine beneath the lab has others.
            assert_eq!(one["addresses"][0], format!("{}:{port}", controller.address()), "{one}");
            assert_eq!((&one["site"], &one["state"]), (&json!(SITE), &json!("answering")), "{one}");
        }
    }

    for controller in [first, second] {
        signal_dns(controller, "-STOP");
    }
    let away =
        discovering.wait_for("the absence of dns", |realm| realm["discovery"]["state"] == "dns_unavailable");
    assert_eq!(hosts(&away, "directory").len(), 2, "{away}");
    assert!(away["discovery"]["failing_since"].is_string(), "{away}");
    assert!(discovering.log_in().code().is_some());
    let ready = wait::until("the check", NOTICE_LIMIT, || {
        Some(discovering.page("/readyz")).filter(|page| page.contains(r#""discovery":"dns_unavailable""#))
    });
    assert!(ready.unwrap().contains(r#""status":"ready""#), "logins go on");
    for controller in [first, second] {
        signal_dns(controller, "-CONT");
    }
    let back = discovering.wait_for("dns", |realm| realm["discovery"]["state"] == "ok");

    let nearest = hosts(&back, "directory")[0];
    let [killed, other] = if nearest == first.name() { [first, second] } else { [second, first] };
    killed.kill().unwrap();
    let answer = discovering.log_in();
    assert!(answer.code().is_some(), "{answer:?}");
    // Whether a login found out or the next search did: it is the last one to be asked.
    let lost = discovering.wait_for("the loss of a controller", |realm| {
        hosts(realm, "directory") == [other.name(), killed.name()]
            && realm["directory"][1]["standing"] == "silent"
    });
    assert_eq!(hosts(&lost, "kdcs"), [other.name(), killed.name()]);
    let metrics = discovering.page("/metrics");
    let answers = format!(
        "controller_answering{{realm=\"CORP.EXAMPLE\",service=\"directory\",host=\"{}\"}} 1\n",
        other.name()
    );
    assert!(metrics.contains(&answers), "{metrics}");
    assert!(discovering.log_in().code().is_some());
}

#[test]
fn the_controllers_of_a_trusted_forest_are_found_by_the_dns_of_their_own_domain() {
    let forests = Forests::start("found").unwrap();
    let (lab, beta) = (forests.lab(), forests.other());
    let configuration = Configuration::new(lab).trusting(beta, "svc-reader", &[]);
    let discovering = Discovering::start(lab, configuration);
    let realms = discovering.realms();
    for (realm, (name, controller)) in
        realms.iter().zip([("CORP.EXAMPLE", lab.controller()), ("BETA.EXAMPLE", beta)])
    {
        assert_eq!(realm["realm"], name);
        for service in ["directory", "kdcs"] {
            assert_eq!(hosts(realm, service), [controller.name()], "{realm}");
        }
    }
    assert!(discovering.log_in().code().is_some());
    // Samba refuses the delegation across the trust, after beta's directory and KDC have answered.
    let carol = lab.pki().card("carol@beta.example").sid(beta.sid("carol").unwrap()).issue().unwrap();
    let answer =
        discovering.workstation.log_in(&discovering.broker, Presented::File(&carol), "gw1", DESK1).unwrap();
    assert_eq!(
        (Some("trust_unusable"), Some("issue")),
        (answer.refusal(), answer.field("step")),
        "{answer:?}"
    );
}

#[test]
fn the_services_password_is_changed_at_a_controller_that_dns_names() {
    let lab = Lab::start("rotated-by-dns").unwrap();
    let dns = [SocketAddr::from((lab.controller().address(), 53))];
    let search = Configuration::new(&lab).discovering(&dns, "timeout = \"500ms\"");
    let broker = start(&search.secrets_in_files());
    let rotated = broker.command(&["rotate-secret"]).unwrap();
    assert!(rotated.succeeded(), "{}{}", rotated.text(), rotated.error_text());
    signal_dns(lab.controller(), "-STOP");
    let nobody = broker.command(&["rotate-secret"]).unwrap();
    assert_eq!(nobody.code, Some(69), "{}{}", nobody.text(), nobody.error_text());
    assert!(nobody.error_text().contains("domain controllers are not found"), "{}", nobody.error_text());
}
