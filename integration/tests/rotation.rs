//! The service's own password is changed on a real domain controller by `kerbridge rotate-secret`, while people log in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::container::Container;
use integration::forwarder::{Fate, Forwarder};
use integration::lab::Lab;
use integration::load::{Crowd, Figures};
use integration::wait;

use crate::bench;

/// Logins a second.
const RATE: u32 = 4;
const MOST_LOGINS: usize = 500;

/// How long people log in before the change, and after it.
const PHASE: Duration = Duration::from_secs(2);

#[expect(clippy::disallowed_methods, reason = "a test reads the files that the command leaves")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// What the directory says of an account.
fn attribute(lab: &Lab, account: &str, name: &str) -> Option<u64> {
    let filter = format!("(sAMAccountName={account})");
    let search = ["ldbsearch", "-H", "/var/lib/samba/private/sam.ldb", &filter, name];
    let found = lab.controller().container().run(&search).unwrap();
    let line = found.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.map(|value| value.trim().parse().unwrap())
}

/// Whether MIT's kinit gets a ticket for an account with a keytab.
fn kinit_takes(client: &Container, keytab: &[u8], account: &str) -> bool {
    client.write("/run/tried.keytab", keytab, "600").unwrap();
    client.exec(&["kinit", "-k", "-t", "/run/tried.keytab", account]).unwrap().succeeded()
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

/// How `rotate-secret` gets to the domain controller here.
struct Ways {
    kdc: Forwarder,
    passwords: Forwarder,
}

impl Ways {
    fn new(lab: &Lab) -> Self {
        let (host, controller) = (lab.network().host_address(), lab.controller().address());
        let [kdc, passwords] =
            [88, 464].map(|port| Forwarder::start(host, (controller, port).into()).unwrap());
        Self { kdc, passwords }
    }

    /// Rotates; returns the exit code and the words of the events.
    fn rotate(&self, broker: &BrokerProcess) -> (Option<i32>, Vec<String>) {
        let port = self.passwords.address().port().to_string();
        let words = ["rotate-secret", "--json", "--kpasswd-port", &port];
        let ended = broker.command_asking(self.kdc.address(), &words).unwrap();
        println!("{}{}", ended.text(), ended.error_text());
        let word = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["event"].as_str().unwrap().to_owned()
        };
        (ended.code, ended.text().lines().map(word).collect())
    }
}

#[test]
fn a_lost_request_and_a_lost_reply_are_resolved_without_losing_a_login_or_locking_the_account() {
    let lab = Lab::start("rotation-lost").unwrap();
    let locks = ["domain", "passwordsettings", "set", "--account-lockout-threshold=3"];
    lab.controller().samba_tool(&locks).unwrap();
    // Nobody redeems the codes, and nobody may have many of them.
    let broker = bench::start(&Configuration::new(&lab).secrets_in_files().code_lifetime("5s"));
    let (ways, client) = (Ways::new(&lab), lab.client("lost").unwrap());
    let files = || ["keytab", "ldap-password"].map(|name| read(&broker.secret_file(name)));
    let version = || attribute(&lab, "svc-broker", "msDS-KeyVersionNumber").unwrap();
    let (before, first) = (version(), files());
    let people = ["alice", "carol"].map(str::to_owned);
    let people = Crowd::new(&lab, &people, &broker, "desk1.corp.example").unwrap();
    let load = people.begin(RATE, MOST_LOGINS).unwrap();

    // The request does not get there: the new password is tried, then the old secret, which is in force still.
    ways.passwords.set(Fate::RequestLost);
    let (code, events) = ways.rotate(&broker);
    assert_eq!((code, events.join(" ").as_str()), (Some(75), "accepted prepared unknown failed"));
    assert!(files() == first && version() == before, "something has changed");
    assert!(kinit_takes(&client, &first[0], "svc-broker"));

    // The same password is put in force, the answer is lost, and then no domain controller is there for the command: the
    // service has the old secret and a pending one, and finds out which of them it is.
    ways.passwords.set(Fate::AnswerLost);
    ways.passwords.then_close(&ways.kdc);
    let (code, events) = ways.rotate(&broker);
    assert_eq!((code, events.join(" ").as_str()), (Some(69), "resumed accepted unknown failed"));
    assert!(files() == first && version() == before + 1, "the password is not the pending one");
    wait::pause(PHASE);
    ways.kdc.set(Fate::Forwarded);
    let (code, events) = ways.rotate(&broker);
    let expected = "resumed accepted in_force_already verified written written finished";
    assert_eq!((code, events.join(" ").as_str()), (Some(0), expected));
    let second = files();
    assert!(kinit_takes(&client, &second[0], "svc-broker"));

    // The answer is lost and the domain controller is there: it is resolved at once.
    let (code, events) = ways.rotate(&broker);
    let expected = "accepted prepared unknown changed verified written written finished";
    assert_eq!((code, events.join(" ").as_str()), (Some(0), expected));
    assert_eq!(version(), before + 2);
    wait::pause(PHASE);
    let made = load.stop();
    println!("logins meanwhile: {}", Figures::of(&made));
    assert_eq!(Figures::of(&made).lost(), 0, "{:?}", broker.log());

    let counted = ["badPwdCount", "lockoutTime"].map(|name| attribute(&lab, "svc-broker", name).unwrap_or(0));
    println!("badPwdCount and lockoutTime: {counted:?}");
    assert!(counted[0] < 3 && counted[1] == 0, "{counted:?}");
    let [keytab, password] = files();
    assert!(kinit_takes(&client, &keytab, "svc-broker"));
    let with_password = client.exec_with(&["kinit", "svc-broker"], &[], &password).unwrap();
    assert!(with_password.succeeded(), "{}", with_password.error_text());
    assert!(!kinit_takes(&client, &second[0], "svc-broker"), "an old key is still accepted");
    let pending = PathBuf::from(format!("{}.pending", broker.secret_file("keytab").display()));
    assert!(!pending.exists(), "{} was left", pending.display());

    // The proof that the count above would have told. A right secret sets it to zero, and the service shows one now and then.
    drop(broker);
    let before = attribute(&lab, "svc-broker", "badPwdCount").unwrap_or(0);
    let wrong = client.exec_with(&["kinit", "svc-broker"], &[], b"wrong-Passw0rd\n").unwrap();
    assert!(wrong.error_text().contains("Password incorrect"), "{}", wrong.error_text());
    let after = attribute(&lab, "svc-broker", "badPwdCount").unwrap_or(0);
    assert_eq!(after, before + 1, "the domain counts wrong passwords");
}

#[test]
fn a_computers_password_is_changed_and_an_idle_service_takes_it_over() {
    let lab = Lab::start("rotation-computer").unwrap();
    let delegating = "dn: CN=desk3,CN=Computers,DC=corp,DC=example\nchangetype: modify\nreplace: userAccountControl\n\
        userAccountControl: 16781312\n-\nreplace: msDS-AllowedToDelegateTo\n";
    let targets = ["TERMSRV", "HTTP", "host", "vnc"]
        .map(|class| format!("msDS-AllowedToDelegateTo: {class}/desk1.corp.example\n"));
    let ldif = format!("{delegating}{}", targets.concat());
    let modify = ["ldbmodify", "-H", "/var/lib/samba/private/sam.ldb"];
    let modified = lab.controller().container().exec_with(&modify, &[], ldif.as_bytes()).unwrap();
    assert!(modified.succeeded(), "{}", modified.error_text());
    let account = Configuration::new(&lab).service("desk3$", "HTTP/desk3.corp.example");
    let broker = bench::start(&account.secrets_in_files());
    let alice = Crowd::new(&lab, &["alice".to_owned()], &broker, "desk1.corp.example").unwrap();
    let log_in = || {
        let load = alice.begin(RATE, 2).unwrap();
        let answered = || (load.answered().len() == 2).then_some(());
        wait::until("two logins", Duration::from_secs(30), answered).unwrap();
        assert_eq!(Figures::of(load.stop()).lost(), 0, "{:?}", broker.log());
    };
    log_in();

    let version = attribute(&lab, "desk3$", "msDS-KeyVersionNumber").unwrap();
    let old = read(&broker.secret_file("keytab"));
    let rotated = broker.command(&["rotate-secret"]).unwrap();
    assert!(rotated.succeeded(), "{}{}", rotated.text(), rotated.error_text());
    assert_eq!(attribute(&lab, "desk3$", "msDS-KeyVersionNumber"), Some(version + 1));
    let taken_over = "the service's own credential was replaced";
    broker.wait_for_line(taken_over, Duration::from_secs(30)).unwrap();
    log_in();

    let client = lab.client("computer").unwrap();
    assert!(kinit_takes(&client, &read(&broker.secret_file("keytab")), "desk3$"));
    assert!(!kinit_takes(&client, &old, "desk3$"), "the old key is still accepted");
}
