//! Revocation without a network: a directory of lists that somebody keeps filled, looked at while the broker runs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use integration::broker_process::Configuration;
use integration::pki::ListRequest;
use integration::wait;

use crate::bench::{Bench, start};

const DESK1: &str = "desk1.corp.example";
const PATIENCE: Duration = Duration::from_secs(20);

/// As it should be done: whole, under another name first.
fn put(directory: &Path, name: &str, octets: &[u8]) {
    let hidden = directory.join(format!(".{name}"));
    fs::write(&hidden, octets).unwrap();
    fs::rename(hidden, directory.join(name)).unwrap();
}

#[test]
fn a_directory_of_lists_is_followed_while_the_broker_runs() {
    let bench = Bench::shared();
    let lists = bench.lab.pki().openssl_lists().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let [root_list, _] = bench.lab.pki().crls(&[]).unwrap();
    put(directory.path(), "root.pem", root_list.as_bytes());
    put(directory.path(), "issuing.crl", &lists.make(&ListRequest::numbered(1)).unwrap());
    put(directory.path(), "readme.txt", b"not a list");
    let tables = format!("\n[identity.revocation]\nmode = \"crl\"\ndirectory = {:?}\n", directory.path());
    let broker = start(&Configuration::new(&bench.lab).revocation_not_configured().table(&tables));
    broker.wait_for_line("no revocation list from", PATIENCE).unwrap();
    let card = bench.card_of("alice").issue().unwrap();
    assert_eq!(bench.log_in_at(&broker, &card, DESK1).status, 200);

    // Half written: what was there before stays.
    let revoking = lists.make(&ListRequest::numbered(2).revoking(&[&card])).unwrap();
    fs::write(directory.path().join("issuing.crl"), &revoking[..revoking.len() / 2]).unwrap();
    broker.wait_for_line("those before stay in use", PATIENCE).unwrap();
    assert_eq!(bench.log_in_at(&broker, &card, DESK1).status, 200);

    put(directory.path(), "issuing.crl", &revoking);
    let refused = || {
        let answer = bench.log_in_at(&broker, &card, DESK1);
        (answer.refusal() == Some("certificate_revoked")).then_some(())
    };
    wait::until("the new list to count", PATIENCE, refused).unwrap();

    // A reload does not stumble over the half-written file either, and an older list takes no place.
    fs::write(directory.path().join("root.pem"), b"-----BEGIN X509 CRL-----\n").unwrap();
    put(directory.path(), "issuing.crl", &lists.make(&ListRequest::numbered(1)).unwrap());
    broker.reload().unwrap();
    let answer = bench.log_in_at(&broker, &card, DESK1);
    assert_eq!(answer.refusal(), Some("certificate_revoked"), "{answer:?}");
    let other = bench.card_of("alice").issue().unwrap();
    assert_eq!(bench.log_in_at(&broker, &other, DESK1).status, 200);
}

#[test]
fn a_list_that_ends_soon_is_told_in_the_log() {
    let bench = Bench::shared();
    let lists = bench.lab.pki().openssl_lists().unwrap();
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "issuing.crl", &lists.make(&ListRequest::numbered(1).hours(2)).unwrap());
    let tables = format!(
        "\n[identity.revocation]\nmode = \"crl\"\ndirectory = {:?}\nwarn_before = \"3h\"\n",
        directory.path()
    );
    let broker = start(&Configuration::new(&bench.lab).revocation_not_configured().table(&tables));
    let told = broker.wait_for_line("a revocation list ends soon", PATIENCE).unwrap();
    assert!(told.contains("Corp Issuing CA"), "{told}");
    put(directory.path(), "issuing.crl", &lists.make(&ListRequest::numbered(2)).unwrap());
    broker.wait_for_line("a revocation list has a successor", PATIENCE).unwrap();
}
