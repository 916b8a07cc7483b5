//! The service's own password is changed on a real domain controller by `kerbridge rotate-secret`, while people log in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use integration::broker_process::Configuration;
use integration::lab::Lab;
use integration::load::{Crowd, Figures};
use integration::wait;

use crate::bench;

/// Logins a second.
const RATE: u32 = 5;
const MOST_LOGINS: usize = 500;

/// How long people log in before the change, and after it.
const PHASE: Duration = Duration::from_secs(2);

#[expect(clippy::disallowed_methods, reason = "a test reads the files that the command leaves")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn no_login_fails_while_the_services_password_is_changed_and_the_old_key_is_worth_nothing() {
    let lab = Lab::start("rotation").unwrap();
    let broker = bench::start(&Configuration::new(&lab).secrets_in_files());
    let [keytab, password] = ["keytab", "ldap-password"].map(|name| broker.secret_file(name));
    let (old_keytab, old_password) = (read(&keytab), read(&password));

    let alice = Crowd::new(&lab, &["alice".to_owned()], &broker, "desk1.corp.example").unwrap();
    let load = alice.begin(RATE, MOST_LOGINS).unwrap();
    wait::pause(PHASE);
    let rotated = broker.command(&["rotate-secret"]).unwrap();
    assert!(rotated.succeeded(), "{}{}", rotated.text(), rotated.error_text());
    wait::pause(PHASE);
    let made = load.stop();
    println!("{}logins meanwhile: {}", rotated.text(), Figures::of(&made));
    assert_eq!(Figures::of(&made).lost(), 0, "{:?}", broker.log());

    let (new_keytab, new_password) = (read(&keytab), read(&password));
    assert_ne!(old_password, new_password);
    let client = lab.client("rotated").unwrap();
    client.write("/run/new.keytab", &new_keytab, "600").unwrap();
    client.write("/run/old.keytab", &old_keytab, "600").unwrap();
    client.run(&["kinit", "-k", "-t", "/run/new.keytab", "svc-broker"]).unwrap();
    let old = client.exec(&["kinit", "-k", "-t", "/run/old.keytab", "svc-broker"]).unwrap();
    assert!(!old.succeeded(), "the old key is still accepted");

    // The version in the keytab is the directory's, and the tickets of the old key can still be opened.
    let listed = client.run(&["klist", "-k", "-e", "/run/new.keytab"]).unwrap();
    let kvno = client.run(&["kvno", "HTTP/broker.corp.example"]).unwrap();
    let version = kvno.rsplit("kvno = ").next().unwrap().trim();
    let version: u32 = version.parse().unwrap();
    for version in [version, version - 1] {
        let has =
            |line: &str| line.trim_start().starts_with(&format!("{version} ")) && line.contains("aes256");
        assert!(listed.lines().any(has), "no key of version {version}: {listed}");
    }

    // And once more, from the keytab that the first one left.
    let again = broker.command(&["rotate-secret"]).unwrap();
    assert!(again.succeeded(), "{}{}", again.text(), again.error_text());
    assert_ne!(read(&password), new_password);
}

#[test]
fn a_password_that_the_domain_refuses_changes_nothing() {
    let lab = Lab::start("rotation-refused").unwrap();
    let set = ["samba-tool", "domain", "passwordsettings", "set", "--min-pwd-length=14"];
    lab.controller().container().run(&set).unwrap();
    let broker = bench::start(&Configuration::new(&lab).secrets_in_files());
    let [keytab, password] = ["keytab", "ldap-password"].map(|name| broker.secret_file(name));
    let before = (read(&keytab), read(&password));

    let refused = broker.command(&["rotate-secret", "--length", "12"]).unwrap();
    assert_eq!(refused.code, Some(77), "{}{}", refused.text(), refused.error_text());
    assert!(refused.error_text().contains("password"), "{}", refused.error_text());
    assert!((read(&keytab), read(&password)) == before, "a file has changed");
    let pending = PathBuf::from(format!("{}.pending", keytab.display()));
    assert!(!pending.exists(), "{} was left", pending.display());
    let rotated = broker.command(&["rotate-secret"]).unwrap();
    assert!(rotated.succeeded(), "{}{}", rotated.text(), rotated.error_text());
}
