//! Where a responder is asked: OpenSSL's own.

use integration::ocsp::{Responder, Signer, Status, dead_port};

use super::*;

#[test]
fn a_responder_that_falls_silent_ends_no_session_and_one_that_says_revoked_does() {
    let port = dead_port().unwrap();
    let tables = format!(
        "reuse_answers = \"0s\"\n[[identity.revocation.issuer]]\norder = [\"ocsp\"]\n\
         [identity.fetch]\nallow_networks = [\"127.0.0.0/8\"]\nallow_ports = [{port}]\n"
    );
    let site =
        Site::new("ocsp", |configuration| configuration.recheck("3s", "1h").revocation_ordered(&[], &tables));
    let pki = site.scene.lab().pki();
    let url = format!("http://127.0.0.1:{port}/");
    let card = || card_of(site.scene.lab(), "alice").ocsp(&url).issue().unwrap();
    let (lost, kept) = (card(), card());
    let answering = |of_lost| {
        let known = [(&lost, of_lost), (&kept, Status::Good)];
        Responder::start_at(pki, port, &known, Signer::Delegate, None).unwrap()
    };
    let responder = answering(Status::Good);
    let (one, other) = (site.hold("lost", &lost), site.hold("kept", &kept));

    drop(responder);
    let told = site.broker.wait_for_line("session_undecided", LIMIT).unwrap();
    assert!(told.contains("revocation_unknown"), "{told}");
    let responder = answering(Status::Revoked);
    assert_eq!(one.stream().unwrap()["ended"], "certificate_revoked", "both lived through the silence");
    assert_eq!(one.asked().unwrap(), ended("certificate_revoked"));
    assert_eq!(other.asked().unwrap(), lives());
    drop(responder);
}
