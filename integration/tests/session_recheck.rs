//! While a session lives, the certificates of the card it was earned with, and its account, are judged again: what is revoked, ends, or is no longer
//! believed ends it, everywhere. The judges are a gateway in Python with gRPC's own library, and MIT's kinit at the KDC proxy.

mod accounts;
mod ocsp;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Presented, Workstation};
use integration::gateway::held::Held;
use integration::pki::Credential;
use integration::scene::Scene;
use integration::wait;
use serde_json::{Value, json};

use crate::bench::{card_of, scene, start};
use crate::kdc_proxy_sessions::{Mit, table};

const DESK1: &str = "desk1.corp.example";
const LIMIT: Duration = Duration::from_secs(60);

/// A broker of one's own before the lab's desktop and gateway, and a workstation that logs in there.
struct Site {
    workstation: Workstation,
    broker: BrokerProcess,
    scene: Arc<Scene>,
    /// Held sessions have names of their own.
    name: &'static str,
}

impl Site {
    fn new(name: &'static str, change: impl for<'a> FnOnce(Configuration<'a>) -> Configuration<'a>) -> Self {
        let scene = scene();
        let broker = start(&change(Configuration::new(scene.lab())));
        let workstation = Workstation::start(scene.lab(), name).unwrap();
        Self { workstation, broker, scene, name }
    }

    fn card(&self) -> Credential {
        card_of(self.scene.lab(), "alice").issue().unwrap()
    }

    fn code(&self, card: &Credential) -> String {
        let answer = self.workstation.log_in(&self.broker, Presented::File(card), "gw1", DESK1).unwrap();
        answer.code().unwrap_or_else(|| panic!("no login: {answer:?}")).to_owned()
    }

    /// A session of this card with a security context that stands.
    fn hold(&self, suffix: &str, card: &Credential) -> Held<'_> {
        let (broker, code) = (self.broker.gateway_address(), self.code(card));
        let name = format!("{}-{suffix}", self.name);
        self.scene.gateway().hold(&name, &broker, &code, DESK1).unwrap()
    }

    /// Puts another file in the place of one of the configuration, which is in force when this returns.
    fn replace(&self, files: &[(&str, &str)]) {
        for (name, content) in files {
            write(&self.broker.file(name), content);
        }
        self.broker.reload().unwrap();
    }

    /// The event with which a session ended.
    fn ending(&self, login_id: &str) -> Value {
        let is_meant = |event: &Value| event["event"] == "session_ended" && event["login_id"] == login_id;
        self.broker.wait_for_event("the end of the session", LIMIT, is_meant).unwrap()
    }
}

fn write(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
}

/// All that a gateway is told of a session that was ended before its time.
fn ended(cause: &str) -> Value {
    let told = json!({ "reason": "SESSION_ENDED", "ended": cause });
    json!({ "stream": told, "ticket": told, "end": told })
}

/// All that it is told of one that lives.
fn lives() -> Value {
    json!({ "stream": null, "ticket": null, "end": null })
}

#[test]
fn a_card_that_is_revoked_loses_its_sessions_everywhere_and_another_card_keeps_its_own() {
    let (kdc_proxy, _) = table(scene().lab(), "session_url = \"{url}\"\n");
    let site = Site::new("revoked", |configuration| configuration.table(&kdc_proxy));
    let (lost, kept) = (site.card(), site.card());
    let (one, other) = (site.hold("lost", &lost), site.hold("kept", &kept));
    let waiting = site.code(&lost);
    let mit = Mit(site.workstation.container());
    let alice = ("alice", "alice-Passw0rd");
    assert!(mit.kinit(one.kdc_proxy(), alice).succeeded());

    let [_, issuing] = site.scene.lab().pki().crls(&[&lost]).unwrap();
    site.replace(&[("issuing.crl", &issuing)]);
    one.stream().unwrap();
    assert_eq!(one.asked().unwrap(), ended("certificate_revoked"));
    assert!(!mit.kinit(one.kdc_proxy(), alice).succeeded(), "its token is worth nothing");
    assert!(mit.kinit(other.kdc_proxy(), alice).succeeded(), "the other's is");
    let broker = site.broker.gateway_address();
    let redeemed = site.scene.gateway().redeem(&broker, &waiting, &[]);
    assert_eq!(redeemed.err().unwrap().reason(), Some("SESSION_ENDED"), "nor its codes");
    assert_eq!(other.asked().unwrap(), lives());

    let event = site.ending(one.login_id());
    let subject = site.scene.lab().controller().sid("alice").unwrap();
    assert_eq!(
        (event["cause"].as_str(), event["sid"].as_str()),
        (Some("certificate_revoked"), Some(subject))
    );
    assert_eq!(event["certificate_sha256"].as_str().map(str::len), Some(64), "{event}");
    assert!(event["detail"].as_str().is_some_and(|detail| detail.contains("revoked at")), "{event}");
    assert_eq!(site.ending(other.login_id())["cause"], "gateway");
}

#[test]
fn an_authority_that_is_no_longer_trusted_loses_the_sessions_of_its_cards() {
    let site = Site::new("untrusted", |configuration| configuration);
    let held = site.hold("session", &site.card());
    let other = site.scene.lab().pki().machine_root_pem();
    site.replace(&[("roots.pem", &other)]);
    held.stream().unwrap();
    assert_eq!(held.asked().unwrap(), ended("certificate_untrusted"));
    assert_eq!(site.ending(held.login_id())["cause"], "certificate_untrusted");
}

#[test]
fn a_session_ends_with_its_certificate() {
    let site = Site::new("short", |configuration| configuration);
    let end = wait::now() + Duration::from_secs(8);
    let card = card_of(site.scene.lab(), "alice").until(end).issue().unwrap();
    let held = site.hold("session", &card);
    held.stream().unwrap();
    assert_eq!(site.ending(held.login_id())["cause"], "certificate_expired");
    let told = held.asked().unwrap();
    let unknown = json!({ "reason": "SESSION_UNKNOWN", "ended": "" });
    assert_eq!((&told["ticket"], &told["end"]), (&unknown, &unknown), "its end was known beforehand");
}

/// Puts lists in force that have ended.
fn let_lists_end(site: &Site) {
    let ended = wait::now() - Duration::from_secs(60);
    let [root, issuing] = site.scene.lab().pki().crls_until(ended, &[]).unwrap();
    site.replace(&[("root.crl", &root), ("issuing.crl", &issuing)]);
}

#[test]
fn a_list_that_has_ended_ends_no_session_within_the_grace() {
    let site = Site::new("grace", |configuration| configuration.recheck("1s", "1h"));
    let held = site.hold("session", &site.card());
    let_lists_end(&site);
    let told = site.broker.wait_for_line("session_undecided", LIMIT).unwrap();
    assert!(told.contains("revocation_unknown") && told.contains("the CRL ended at"), "{told}");
    let answer = site.workstation.log_in(&site.broker, Presented::File(&site.card()), "gw1", DESK1).unwrap();
    assert_eq!(answer.refusal(), Some("revocation_unknown"), "a new login has no grace");
    assert_eq!(held.asked().unwrap(), lives());
}

#[test]
fn without_a_grace_a_list_that_has_ended_ends_the_sessions_that_rest_on_it() {
    let site = Site::new("no-grace", |configuration| configuration.recheck("1s", "0s"));
    let held = site.hold("session", &site.card());
    let_lists_end(&site);
    held.stream().unwrap();
    assert_eq!(held.asked().unwrap(), ended("revocation_unknown"));
}
