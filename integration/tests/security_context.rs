//! Security contexts whose initiator the broker plays: real acceptors (MIT's library, the domain controller's LDAP) judge it, and a
//! gateway in Python that never holds a key. What a service or somebody between does wrong is refused.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::Presented;
use integration::gateway::Gateway;
use integration::scene::Scene;
use serde_json::Value;

use crate::bench::{Bench, card_of, scene, start};

const DESK1: &str = "desk1.corp.example";
const DC: &str = "dc1.corp.example";

/// `GSS_C_MUTUAL_FLAG`, replay, sequence, conf and integ: what a context for everything has.
const ALL: u64 = 0x3e;
/// `GSS_C_CHANNEL_BOUND_FLAG`.
const BOUND: u64 = 0x800;

/// What came of one conversation with `desk1`, in a session of its own.
fn spoken(scene: &Scene, scenario: &str) -> Value {
    spoken_for(scene, DESK1, scenario)
}

/// The same in a session for `target`.
fn spoken_for(scene: &Scene, target: &str, scenario: &str) -> Value {
    let answer = scene.log_in(target).unwrap();
    let broker = scene.broker().gateway_address();
    let mut spoken = scene.gateway().speak(&broker, answer.code().unwrap(), DESK1, &[scenario]).unwrap();
    spoken[scenario].take()
}

/// A broker that lets members of the group search the directory, and a gateway that knows where that is.
pub(crate) struct Directory {
    gateway: Gateway,
    broker: BrokerProcess,
    bench: Arc<Bench>,
}

impl Directory {
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Directory>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = shared.upgrade() {
            return directory;
        }
        let bench = Bench::shared();
        let broker =
            // By its name, since a domain controller is otherwise beyond what is granted.
            start(
                &Configuration::new(&bench.lab)
                    .rule("directory", "Desktop Users", &[DC], &["ldap"])
                    .table(&format!("\n[policy]\nbound_exceptions = [\"ldap/{DC}\"]\n")),
            );
        let hosts = [
            ("broker.corp.example", bench.lab.network().host_address()),
            (DC, bench.lab.controller().address()),
        ];
        let gateway = Gateway::start(&bench.lab, "gw2", &hosts).unwrap();
        let directory = Arc::new(Self { gateway, broker, bench });
        *shared = Arc::downgrade(&directory);
        directory
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(crate) fn broker(&self) -> String {
        self.broker.gateway_address()
    }

    /// The SID of an account in the octets that the directory shows, as hexadecimal digits.
    pub(crate) fn sid(&self, account: &str) -> String {
        let text = self.bench.lab.controller().sid(account).unwrap();
        let parts: Vec<u32> = text.split('-').skip(3).map(|part| part.parse().unwrap()).collect();
        let mut octets = vec![1, u8::try_from(parts.len()).unwrap(), 0, 0, 0, 0, 0, 5];
        octets.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
        hex::encode(octets)
    }

    /// A code of alice's for the directory and this gateway.
    pub(crate) fn code(&self) -> String {
        let card = card_of(&self.bench.lab, "alice").issue().unwrap();
        let presented = Presented::File(&card);
        let answer = self.bench.workstation.log_in(&self.broker, presented, "gw2", DC).unwrap();
        answer.code().unwrap_or_else(|| panic!("no login: {answer:?}")).to_owned()
    }
}

#[test]
fn messages_of_every_length_pass_both_ways_encrypted_and_signed() {
    let scene = scene();
    for mechanism in ["echo_spnego", "echo_kerberos"] {
        let echo = spoken(&scene, mechanism);
        assert_eq!(echo["known"]["name"], "alice@CORP.EXAMPLE", "{echo}");
        assert_eq!(echo["known"]["flags"].as_u64().map(|flags| flags & ALL), Some(ALL), "{echo}");
        // Thirteen lengths up to 64 KiB, each encrypted, signed, and as a MIC, there and back.
        assert_eq!(echo["exchanged"], 78, "{echo}");
        println!("{mechanism}: {} messages in {} ms", echo["exchanged"], echo["milliseconds"]);
    }
}

#[test]
fn a_context_is_no_more_than_was_asked_for() {
    let one_way = spoken(&scene(), "one_way");
    assert_eq!(one_way["known"]["name"], "alice@CORP.EXAMPLE", "{one_way}");
    assert_eq!(one_way["known"]["flags"].as_u64().map(|flags| flags & ALL), Some(0x24), "{one_way}");
    assert_eq!(one_way["refused"], "REQUEST_INVALID", "{one_way}");
}

#[test]
fn a_token_that_was_changed_is_refused_and_ends_the_context() {
    let scene = scene();
    let changed = spoken(&scene, "changed");
    let cases = changed.as_object().unwrap();
    assert_eq!(cases.len(), 11, "{changed}");
    for (case, reason) in cases {
        assert_eq!(reason, "CONTEXT_UNTRUSTED", "{case}");
    }
    let ended = spoken(&scene, "ended_by_refusal");
    assert!(ended["not refused"].as_str().is_some_and(|error| error != "the first was taken"), "{ended}");
    // The other side judges as well.
    assert_eq!(spoken(&scene, "changed_by_us"), "the service refused");
    let told =
        scene.broker().wait_for_line(r#""code":"context_untrusted""#, Duration::from_secs(10)).unwrap();
    assert!(told.contains(r#""security_event":true"#) && told.contains("init_security_context"), "{told}");
}

#[test]
fn a_message_that_comes_twice_ends_the_context() {
    let scene = scene();
    assert_eq!(spoken(&scene, "repeated"), "CONTEXT_UNTRUSTED");
    assert_eq!(spoken(&scene, "left_out"), "CONTEXT_UNTRUSTED");
}

#[test]
fn our_own_message_sent_back_ends_the_context() {
    assert_eq!(spoken(&scene(), "reflected"), "CONTEXT_UNTRUSTED");
}

#[test]
fn a_service_without_the_key_is_not_believed() {
    let scene = scene();
    assert_eq!(spoken(&scene, "crossed"), "CONTEXT_UNTRUSTED", "the proof of another connection");
    let other = spoken_for(&scene, "desk2.corp.example", "another_service");
    assert_eq!(
        (&other["KERBEROS"], &other["SPNEGO"]),
        (&"CONTEXT_REFUSED".into(), &"CONTEXT_REFUSED".into())
    );
}

#[test]
fn a_context_is_good_for_the_channel_it_is_bound_to_and_closed_with_its_session() {
    let scene = scene();
    let bound = spoken(&scene, "bound");
    assert_eq!(bound["right context"]["bound"], true, "{bound}");
    assert_eq!(bound["right context"]["flags"].as_u64().map(|flags| flags & BOUND), Some(BOUND));
    for case in ["wrong context", "none context"] {
        assert!(bound[case].is_string(), "{case}: {bound}");
    }
    assert_eq!(spoken(&scene, "session_ends"), "SESSION_UNKNOWN");
}

#[test]
fn the_log_counts_a_context_s_messages_and_tells_nothing_of_them() {
    let scene = scene();
    let answer = scene.log_in(DESK1).unwrap();
    let broker = scene.broker().gateway_address();
    let code = answer.code().unwrap();
    let spoken = scene.gateway().speak(&broker, code, DESK1, &["echo_spnego"]).unwrap();
    let login_id = spoken["login_id"].as_str().unwrap().to_owned();
    let ended = || {
        let is_end = |event: &Value| {
            event.to_string().contains(&login_id) && event.to_string().contains("security context ended")
        };
        scene.broker().events().into_iter().find(is_end)
    };
    let event = integration::wait::until("the end in the log", Duration::from_secs(10), ended).unwrap();
    let shown = event.to_string();
    for count in [r#""wrapped":39"#, r#""unwrapped":39"#, r#""signed":13"#, r#""verified":13"#] {
        assert!(shown.contains(count), "{count}: {shown}");
    }
    assert!(shown.contains("host/desk1.corp.example") && shown.contains("gw1"), "{shown}");
}

#[test]
fn the_directory_is_searched_as_the_person_with_every_message_encrypted() {
    let directory = Directory::shared();
    let searched = directory.gateway().search_as_the_person(
        &directory.broker(),
        &directory.code(),
        DC,
        "DC=corp,DC=example",
        "alice",
    );
    let searched = searched.unwrap();
    assert_eq!(searched["found"][0][0], "CN=alice,CN=Users,DC=corp,DC=example", "{searched}");
    assert_eq!(searched["found"][0][1]["objectSid"][0], directory.sid("alice"), "{searched}");
    assert_eq!(
        searched["token_groups"][0],
        directory.sid("alice"),
        "the directory takes the caller for alice"
    );
}
