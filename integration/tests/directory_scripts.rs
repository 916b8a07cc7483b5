//! The scripts for administrators of a Samba AD, in `deploy/ad/`: what they set up works for an independent client.

use integration::container::Container;
use integration::lab::Lab;
use integration::samba_ad::Domain;

const ACCOUNT: &str = include_str!("../../deploy/ad/samba-broker-account");
const TARGET: &str = include_str!("../../deploy/ad/samba-allow-target");

/// A domain in which nothing is set up for a broker, with the scripts on its controller.
fn bare_lab(name: &str) -> Lab {
    let domain =
        Domain::corp().user("alice").computer("desk1").computer("desk2").spn("HTTP/desk2.corp.example");
    let lab = Lab::with_domain(name, domain).unwrap();
    lab.controller()
        .container()
        .write("/usr/local/sbin/samba-broker-account", ACCOUNT.as_bytes(), "755")
        .unwrap();
    lab.controller()
        .container()
        .write("/usr/local/sbin/samba-allow-target", TARGET.as_bytes(), "755")
        .unwrap();
    lab
}

/// A client with the keytab that the script wrote, and the account's own ticket.
fn client_with_the_keytab(lab: &Lab) -> Container {
    let client = lab.client("scripts").unwrap();
    let keytab = lab.controller().container().read("/root/kerbridge/keytab").unwrap();
    client.write("/lab/svc.keytab", &keytab, "600").unwrap();
    client.run(&["kinit", "-f", "-k", "-t", "/lab/svc.keytab", "svc-kerbridge"]).unwrap();
    client
}

fn delegated(client: &Container, spn: &str) -> bool {
    client.exec(&["kvno", "-k", "/lab/svc.keytab", "-U", "alice", "-P", spn]).unwrap().succeeded()
}

#[test]
fn the_samba_scripts_set_up_delegation_both_ways_and_may_run_again() {
    let lab = bare_lab("scripts");
    let controller = lab.controller().container();
    let account = ["samba-broker-account", "svc-kerbridge", "HTTP/broker.corp.example", "/root/kerbridge"];
    let classic = ["samba-allow-target", "svc-kerbridge", "desk1", "TERMSRV/desk1.corp.example"];
    let by_target =
        ["samba-allow-target", "--resource-based", "svc-kerbridge", "desk2", "HTTP/desk2.corp.example"];

    controller.run(&account).unwrap();
    assert!(!delegated(&client_with_the_keytab(&lab), "TERMSRV/desk1.corp.example"));
    for _ in 0..2 {
        controller.run(&account).unwrap();
        controller.run(&classic).unwrap();
        controller.run(&by_target).unwrap();
    }
    let client = client_with_the_keytab(&lab);
    assert!(delegated(&client, "TERMSRV/desk1.corp.example"));
    assert!(delegated(&client, "HTTP/desk2.corp.example"));
    let tickets = client.run(&["klist", "-e"]).unwrap();
    assert!(!tickets.contains("arcfour"), "{tickets}");

    let modes = controller
        .run(&["stat", "-c", "%a", "/root/kerbridge/keytab", "/root/kerbridge/ldap-password"])
        .unwrap();
    assert_eq!(modes, "600\n600\n");
    let password = String::from_utf8(controller.read("/root/kerbridge/ldap-password").unwrap()).unwrap();
    let search =
        ["ldapsearch", "-LLL", "-x", "-H", "ldaps://dc1.corp.example", "-D", "svc-kerbridge@corp.example"];
    let rest = ["-w", &password, "-b", "DC=corp,DC=example", "(sAMAccountName=alice)", "dn"];
    let trust = [("LDAPTLS_CACERT", "/etc/ssl/lab/machine-ca.pem")];
    let found = client.exec_with(&[search.as_slice(), &rest].concat(), &trust, b"").unwrap();
    assert!(found.text().contains("CN=alice"), "{}", found.error_text());
}

#[test]
fn a_target_that_does_not_exist_is_refused() {
    let lab = bare_lab("no-target");
    let controller = lab.controller().container();
    let refused =
        controller.exec(&["samba-allow-target", "alice", "desk9", "HTTP/desk9.corp.example"]).unwrap();
    assert!(!refused.succeeded());
    assert!(refused.error_text().contains("desk9"), "{}", refused.error_text());
}
