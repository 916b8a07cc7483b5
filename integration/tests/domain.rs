//! The lab's domain, judged by MIT's and OpenLDAP's tools alone: what the other tests stand on.

use integration::container::{Container, Network};
use integration::lab::Lab;
use integration::pki::Pki;
use integration::samba_ad::{Domain, Release};
use integration::wait;

/// A client that holds the keytab of `svc-broker` and a ticket obtained with it.
fn broker_by_mit(lab: &Lab, name: &str) -> Container {
    let client = lab.client(name).unwrap();
    client.write("/lab/svc.keytab", &lab.controller().keytab("svc-broker").unwrap(), "600").unwrap();
    client.run(&["kinit", "-f", "-k", "-t", "/lab/svc.keytab", "svc-broker"]).unwrap();
    client
}

/// S4U2Self and S4U2Proxy by MIT's `kvno`.
fn delegated(client: &Container, person: &str, spn: &str) -> Result<String, String> {
    let command = ["kvno", "-k", "/lab/svc.keytab", "-U", person, "-P", spn];
    client.run(&command).map_err(|error| error.to_string())
}

#[test]
fn a_person_logs_in_with_a_password() {
    let lab = Lab::shared().unwrap();
    let client = lab.client("password").unwrap();
    let login = client.exec_with(&["kinit", "alice"], &[], b"alice-Passw0rd\n").unwrap();
    assert!(login.succeeded(), "{}", login.error_text());
    let tickets = client.run(&["klist"]).unwrap();
    assert!(tickets.contains("Default principal: alice@CORP.EXAMPLE"), "{tickets}");
}

#[test]
fn delegation_is_granted_by_the_brokers_list_and_by_the_targets_own() {
    let lab = Lab::shared().unwrap();
    let client = broker_by_mit(&lab, "delegation");
    for spn in ["TERMSRV/desk1.corp.example", "HTTP/desk1.corp.example", "TERMSRV/desk2.corp.example"] {
        delegated(&client, "alice", spn).unwrap();
    }
    let tickets = client.run(&["klist", "-fe"]).unwrap();
    assert!(tickets.contains("for client alice@CORP.EXAMPLE"), "{tickets}");
    assert!(!tickets.contains("arcfour"), "{tickets}");
}

#[test]
fn delegation_is_refused_where_nobody_set_it_up_and_for_a_sensitive_person() {
    let lab = Lab::shared().unwrap();
    let client = broker_by_mit(&lab, "no-delegation");
    let elsewhere = delegated(&client, "alice", "TERMSRV/desk3.corp.example").unwrap_err();
    assert!(elsewhere.contains("KDC can't fulfill requested option"), "{elsewhere}");
    let sensitive = delegated(&client, "sam", "TERMSRV/desk1.corp.example").unwrap_err();
    assert!(sensitive.contains("KDC can't fulfill requested option"), "{sensitive}");
}

#[test]
fn disabled_expired_and_locked_people_are_refused_by_the_kdc() {
    let lab = Lab::shared().unwrap();
    let client = lab.client("refused").unwrap();
    for person in ["dave", "eve", "lou"] {
        let password = format!("{person}-Passw0rd\n");
        let login = client.exec_with(&["kinit", person], &[], password.as_bytes()).unwrap();
        assert!(login.error_text().contains("have been revoked"), "{person}: {}", login.error_text());
    }
}

#[test]
fn ldaps_stands_on_the_test_authority_and_gives_each_account_its_sid() {
    let lab = Lab::shared().unwrap();
    let client = lab.client("ldap").unwrap();
    let (user, password) = ("svc-broker@corp.example", "svc-broker-Passw0rd");
    let search = |ca: &str, filter: &str| {
        let uri = "ldaps://dc1.corp.example";
        let words = ["-LLL", "-x", "-H", uri, "-D", user, "-w", password, "-b", "DC=corp,DC=example", filter];
        let command = [&["ldapsearch"], words.as_slice(), &["objectSid", "userPrincipalName"]].concat();
        client.exec_with(&command, &[("LDAPTLS_CACERT", ca)], b"").unwrap()
    };
    let found = search("/etc/ssl/lab/machine-ca.pem", "(sAMAccountName=carol)");
    assert!(found.text().contains("userPrincipalName: carol.jones@corp.example"), "{}", found.error_text());
    assert!(lab.controller().sid("carol").unwrap().starts_with("S-1-5-21-"));

    let distrusted = search("/etc/ssl/certs/ca-certificates.crt", "(sAMAccountName=carol)");
    assert!(distrusted.error_text().contains("Can't contact LDAP server"), "{}", distrusted.error_text());

    let twice = search("/etc/ssl/lab/machine-ca.pem", "(userPrincipalName=grace@corp.example)");
    assert_eq!(twice.text().matches("objectSid").count(), 2, "{}", twice.text());
}

#[test]
fn the_same_domain_runs_on_the_newer_samba() {
    let network = Network::create("newer").unwrap();
    let pki = Pki::new(wait::now()).unwrap();
    let domain = Domain::of_the_tests();
    let image = domain.image(Release::Backports).unwrap();
    let controller = domain.start_from(&image, &network, network.address(10), &pki).unwrap();
    let release = controller.samba_tool(&["--version"]).unwrap();
    let version = release.split('.').filter_map(|part| part.parse().ok()).collect::<Vec<u32>>();
    assert!(version.starts_with(&[4]) && version[1] >= 24, "{release}");

    // What the tests of the line stand on: a ticket for alice at desk1 in the broker's name.
    let conf = controller.krb5_conf();
    controller.container().write("/lab/krb5.conf", conf.as_bytes(), "644").unwrap();
    let script = "export KRB5_CONFIG=/lab/krb5.conf; kinit -f -k -t /lab/keytabs/svc-broker.keytab svc-broker \
                  && kvno -k /lab/keytabs/svc-broker.keytab -U alice -P TERMSRV/desk1.corp.example";
    let granted = controller.container().run(&["sh", "-c", script]).unwrap();
    assert!(granted.contains("keytab entry valid") || granted.contains("kvno ="), "{granted}");
}
