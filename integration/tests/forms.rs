//! The forms of credential, each judged by the programs that are to use it: MIT and Heimdal, OpenSSH, curl, FreeRDP, acceptors that
//! demand channel bindings. No gateway here knows a domain controller: what a client does not find it does not get.

use integration::gateway::GatewayError;
use integration::gateway::redeem::{Form, Redeemed};
use integration::scene::Scene;
use serde_json::Value;

use crate::bench::scene;
use crate::security_context::Directory;

const HOST: &str = "desk1.corp.example";
const REALM: &str = "CORP.EXAMPLE";

/// Alice logs in, the gateway redeems her code for these tickets.
fn redeemed(scene: &Scene, tickets: &[(&str, Form)], options: &[&str]) -> Redeemed {
    let answer = scene.log_in(HOST).unwrap();
    let broker = scene.broker().gateway_address();
    scene.gateway().redeem_with(&broker, answer.code().unwrap(), tickets, options).unwrap()
}

fn is_refused<T: std::fmt::Debug>(answer: &Result<T, GatewayError>) {
    assert!(matches!(answer, Err(GatewayError::Client { .. })), "{answer:?}");
}

#[test]
fn mit_and_heimdal_find_the_ticket_in_the_cache_and_nothing_else() {
    let scene = scene();
    let gateway = scene.gateway();
    let spn = format!("HTTP/{HOST}");
    let tickets = redeemed(&scene, &[(&spn, Form::Ccache)], &[]);
    let cache = tickets.file("HTTP").unwrap();

    for listed in [gateway.klist(cache).unwrap(), gateway.heimdal_klist(cache).unwrap()] {
        assert!(listed.contains(&format!("alice@{REALM}")), "{listed}");
        assert!(listed.contains(&format!("{spn}@{REALM}")), "{listed}");
        assert!(!listed.contains("krbtgt"), "{listed}");
    }
    let service = format!("{spn}@{REALM}");
    let found = gateway.kvno(cache, &service).unwrap();
    assert!(found.contains(&format!("{service}: kvno = ")), "{found}");
    gateway.kgetcred(cache, &service).unwrap();

    let other = format!("cifs/{HOST}@{REALM}");
    is_refused(&gateway.kvno(cache, &other));
    is_refused(&gateway.kgetcred(cache, &other));
}

#[test]
fn openssh_and_curl_open_their_services_with_their_caches() {
    let scene = scene();
    let gateway = scene.gateway();
    let (host, http) = (format!("host/{HOST}"), format!("HTTP/{HOST}"));
    let tickets = redeemed(&scene, &[(&host, Form::Ccache), (&http, Form::Ccache)], &[]);
    let file = |class: &str| tickets.file(class).unwrap();
    assert_eq!(gateway.ssh(file("host"), "alice", HOST, "id -un").unwrap(), "alice\n");
    let page = gateway.http(file("HTTP"), &format!("http://{HOST}/")).unwrap();
    assert_eq!((page.status, page.remote_user.as_str()), (200, "alice"));
}

#[test]
fn freerdp_needs_the_entry_that_is_only_added_when_asked_for() {
    let scene = scene();
    let gateway = scene.gateway();
    let spn = format!("TERMSRV/{HOST}");
    let plain = redeemed(&scene, &[(&spn, Form::Ccache)], &[]);
    let plain = plain.file("TERMSRV").unwrap();
    assert!(!gateway.klist(plain).unwrap().contains("krbtgt"));
    is_refused(&gateway.rdp_screenshot(plain, HOST, "alice", REALM));

    let with_entry = redeemed(&scene, &[(&spn, Form::FreerdpCcache)], &[]);
    let with_entry = with_entry.file("TERMSRV").unwrap();
    for listed in [gateway.klist(with_entry).unwrap(), gateway.heimdal_klist(with_entry).unwrap()] {
        assert!(listed.contains(&format!("krbtgt/{REALM}@{REALM}")), "{listed}");
    }
    let desktop = gateway.rdp_screenshot(with_entry, HOST, "alice", REALM).unwrap();
    assert_eq!((desktop.width, desktop.height), (1024, 768));
    assert!(desktop.colours > 16, "{desktop:?}");
    // The entry is only a name: nothing can be asked for with it.
    is_refused(&gateway.kvno(with_entry, &format!("cifs/{HOST}@{REALM}")));
}

#[test]
fn mit_reads_a_krb_cred_in_clear_and_under_a_shared_key() {
    let scene = scene();
    let gateway = scene.gateway();
    let spn = format!("host/{HOST}");
    let expected = format!("alice@{REALM} {spn}@{REALM}\n");

    let clear = redeemed(&scene, &[(&spn, Form::KrbCred)], &[]);
    let (cache, found) = gateway.read_krb_cred(clear.file("host").unwrap(), None).unwrap();
    assert_eq!(found, expected);
    assert_eq!(gateway.ssh(&cache, "alice", HOST, "id -un").unwrap(), "alice\n");

    for length in [32, 16] {
        let key = vec![0x3c; length];
        let path = format!("/dev/shm/krb-cred-{length}.key");
        gateway.container().write(&path, &key, "600").unwrap();
        let sealed = redeemed(&scene, &[(&spn, Form::KrbCred)], &["--krb-cred-key", &path]);
        let message = sealed.file("host").unwrap();
        let (cache, found) = gateway.read_krb_cred(message, Some(&key)).unwrap();
        assert_eq!(found, expected, "{length}");
        assert_eq!(gateway.ssh(&cache, "alice", HOST, "id -un").unwrap(), "alice\n");
        is_refused(&gateway.read_krb_cred(message, Some(&vec![0x3d; length])));
        is_refused(&gateway.read_krb_cred(message, None));
    }
}

#[test]
fn a_token_is_good_for_the_channel_it_is_bound_to_and_no_other() {
    let scene = scene();
    let answer = scene.log_in(HOST).unwrap();
    let broker = scene.broker().gateway_address();
    let code = answer.code().unwrap();
    let spoken = scene.gateway().speak(&broker, code, HOST, &["bound", "stolen"]).unwrap();
    let bound = &spoken["bound"];
    assert_eq!(bound["right token"]["name"], format!("alice@{REALM}"), "{spoken}");
    assert_eq!(bound["right token"]["bound"], true, "{spoken}");
    for refused in [&bound["wrong token"], &bound["none token"], &spoken["stolen"]] {
        assert!(refused.is_string(), "{spoken}");
    }
}

#[test]
fn the_directory_takes_a_bound_token_only() {
    let directory = Directory::shared();
    let code = directory.code();
    let tried = directory.gateway().bind_with_tokens(&directory.broker(), &code, "dc1.corp.example").unwrap();
    assert_eq!(tried["right"]["code"], 0, "{tried}");
    assert_eq!(tried["right"]["sids"][0], directory.sid("alice"), "{tried}");
    for name in ["wrong", "none"] {
        let refused: &Value = &tried[name];
        // invalidCredentials, and 35b: the bindings are not those of this channel.
        assert_eq!(refused["code"], 49, "{tried}");
        assert!(refused["text"].as_str().is_some_and(|text| text.contains("35b")), "{tried}");
    }
}
