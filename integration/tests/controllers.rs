//! Two controllers of one domain, judged by MIT's and Samba's tools alone: what the tests of failing controllers stand on.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use integration::container::Container;
use integration::lab::Lab;
use integration::process::Finished;
use integration::samba_ad::DomainController;
use integration::wait;

/// Replication takes some seconds.
const REPLICATION_LIMIT: Duration = Duration::from_secs(60);

/// Writes an attribute of a person at one controller and waits until the other has it; returns how long that took.
fn replicated(from: &DomainController, to: &DomainController, value: &str) -> Duration {
    let started = wait::monotonic();
    from.samba_tool(&["user", "rename", "alice", &format!("--display-name={value}")]).unwrap();
    wait::until(&format!("{value} at {}", to.name()), REPLICATION_LIMIT, || {
        let shown = to.samba_tool(&["user", "show", "alice", "--attributes=displayName"]).unwrap();
        shown.contains(value).then_some(())
    })
    .unwrap();
    started.elapsed()
}

/// How many of the two controllers a controller's DNS names for a service.
fn named(by: &DomainController, zone: &str, service: &str) -> usize {
    let records = by.samba_tool(&["dns", "query", by.name(), zone, service, "SRV", "-P"]).unwrap();
    ["dc1.corp.example", "dc2.corp.example"].iter().filter(|name| records.contains(*name)).count()
}

/// What a controller has of an account with a name that replication does not know of.
fn gregory(client: &Container, controller: &str) -> Finished {
    let uri = format!("ldaps://{controller}");
    let bind = ["-x", "-D", "alice@corp.example", "-w", "alice-Passw0rd", "-b", "DC=corp,DC=example"];
    let command =
        [["ldapsearch", "-LLL", "-H", &uri].as_slice(), &bind, &["(sAMAccountName=gregory)"]].concat();
    let trust = [("LDAPTLS_CACERT", "/etc/ssl/lab/machine-ca.pem")];
    client.exec_with(&command, &trust, b"").unwrap()
}

/// A client whose Kerberos knows one controller only.
fn delegated(client: &Container, at: &DomainController, step: &str) -> Result<String, String> {
    client.write("/etc/krb5.conf", at.krb5_conf().as_bytes(), "644").unwrap();
    client.run(&["sh", "-c", step]).map_err(|error| error.to_string())
}

/// Whether its ports take connections.
fn takes_connections(controller: &DomainController) -> bool {
    let kdc = SocketAddr::from((controller.address(), 88));
    TcpStream::connect_timeout(&kdc, Duration::from_secs(2)).is_ok()
}

#[test]
fn each_of_two_controllers_takes_over_the_others_changes_and_dns_names_both() {
    let started = wait::monotonic();
    let lab = Lab::with_two_controllers("pair").unwrap();
    println!("two controllers answer after {:.1?}", started.elapsed());
    let [first, second] = lab.controllers().try_into().unwrap();
    let client = lab.client("ldap").unwrap();
    for controller in [first, second] {
        for service in ["_kerberos._tcp", "_ldap._tcp", "_kpasswd._tcp"] {
            assert_eq!(named(controller, "corp.example", service), 2, "{service} at {}", controller.name());
        }
        assert_eq!(named(controller, "_msdcs.corp.example", "_ldap._tcp.dc"), 2, "{}", controller.name());
        let found = gregory(&client, controller.name());
        assert!(found.text().contains("grace@corp.example"), "{}: {}", controller.name(), found.error_text());
    }
    println!("a change goes from dc1 to dc2 in {:.1?}", replicated(first, second, "seen-from-dc1"));
    println!("a change goes from dc2 to dc1 in {:.1?}", replicated(second, first, "seen-from-dc2"));
}

#[test]
fn one_controller_serves_while_the_other_is_dead_or_frozen_and_it_comes_back() {
    let lab = Lab::with_two_controllers("outages").unwrap();
    let [first, second] = lab.controllers().try_into().unwrap();
    let client = lab.client("mit").unwrap();
    client.write("/lab/svc.keytab", &lab.controller().keytab("svc-broker").unwrap(), "600").unwrap();
    let login = "kinit -f -k -t /lab/svc.keytab svc-broker";
    let delegation = "kvno -k /lab/svc.keytab -U alice -P TERMSRV/desk1.corp.example";
    delegated(&client, first, login).unwrap();

    first.kill().unwrap();
    // The ticket of the one is good at the other.
    delegated(&client, second, delegation).unwrap();
    assert!(!takes_connections(first));
    println!("dc1 answers {:.1?} after it was started again", first.start_again().unwrap());

    second.freeze().unwrap();
    delegated(&client, first, &format!("{login} && {delegation}")).unwrap();
    assert!(takes_connections(second), "a frozen host still takes connections");
    let silent = delegated(&client, second, &format!("timeout 2 {login}")).unwrap_err();
    assert!(silent.contains("Some(124)"), "{silent}");
    second.thaw().unwrap();
    delegated(&client, second, &format!("{login} && {delegation}")).unwrap();

    first.stop().unwrap();
    assert!(!takes_connections(first));
    first.start_again().unwrap();
    delegated(&client, first, login).unwrap();
}
