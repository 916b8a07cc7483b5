//! Two forests that trust each other. First MIT's tools say what the lab and Samba do: a ticket of the one realm leads to services of
//! the other, and Samba lets nobody act for a stranger across the trust.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use integration::container::Container;
use integration::lab::Forests;
use integration::wait;

/// A person's password login, and a ticket for a service.
fn ticket(client: &Container, person: &str, password: &str, spn: &str) -> Result<String, String> {
    let login = client.exec_with(&["kinit", person], &[], format!("{password}\n").as_bytes()).unwrap();
    assert!(login.succeeded(), "{person}: {}", login.error_text());
    client.run(&["kvno", spn]).map_err(|error| error.to_string())?;
    Ok(client.run(&["klist", "-f"]).unwrap())
}

/// The forests that the tests here share.
fn shared() -> Arc<Forests> {
    static SHARED: Mutex<Weak<Forests>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(forests) = shared.upgrade() {
        return forests;
    }
    let started = wait::monotonic();
    let forests = Arc::new(Forests::start("forests").unwrap());
    println!("two forests answer after {:.1?}", started.elapsed());
    *shared = Arc::downgrade(&forests);
    forests
}

#[test]
fn tickets_cross_the_trust_both_ways_and_samba_refuses_to_act_for_strangers() {
    let forests = shared();
    let client = forests.client("mit").unwrap();

    let there =
        ticket(&client, "alice@CORP.EXAMPLE", "alice-Passw0rd", "TERMSRV/bdesk1.beta.example").unwrap();
    assert!(there.contains("Ticket server: TERMSRV/bdesk1.beta.example@BETA.EXAMPLE"), "{there}");
    let back = ticket(&client, "carol@BETA.EXAMPLE", "carol-Passw0rd", "TERMSRV/desk1.corp.example").unwrap();
    assert!(back.contains("TERMSRV/desk1.corp.example@CORP.EXAMPLE"), "{back}");

    client
        .write("/lab/svc.keytab", &forests.lab().controller().keytab("svc-broker").unwrap(), "600")
        .unwrap();
    client.run(&["kinit", "-f", "-k", "-t", "/lab/svc.keytab", "svc-broker"]).unwrap();
    let stranger = client.exec(&["kvno", "-k", "/lab/svc.keytab", "-U", "carol@BETA.EXAMPLE", "svc-broker"]);
    let stranger = stranger.unwrap();
    assert!(stranger.error_text().contains("not found in Kerberos database"), "{}", stranger.error_text());
}

#[test]
fn each_forests_dns_knows_the_others_names() {
    let forests = shared();
    for (asked, other) in
        [(forests.lab().controller(), forests.other()), (forests.other(), forests.lab().controller())]
    {
        let resolve = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))";
        let found = asked.container().run(&["python3", "-c", resolve, other.name()]).unwrap();
        assert_eq!(found.trim(), other.address().to_string());
    }
}
