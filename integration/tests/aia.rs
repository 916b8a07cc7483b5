//! Certificates of issuers that a card does not bring: fetched from where the card says they are, if the configuration has it.

use std::net::TcpListener;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::publication::Publication;

use crate::bench::{Bench, start};

const DESK1: &str = "desk1.corp.example";

/// A broker that knows the root alone.
fn broker(bench: &Bench, tables: &str) -> BrokerProcess {
    start(&Configuration::new(&bench.lab).without_intermediates().table(tables))
}

#[test]
fn an_issuer_that_a_card_does_not_bring_is_fetched_where_that_is_configured() {
    let bench = Bench::shared();
    let publication = Publication::start(&bench.lab, "aia-publication").unwrap();
    let lists = bench.lab.pki().openssl_lists().unwrap();
    publication.put("ca.cer", bench.lab.pki().card_issuer_der()).unwrap();
    publication.put("ca.p7c", &lists.certs_only().unwrap()).unwrap();
    publication.put("rubbish.cer", b"<html>").unwrap();
    let host = publication.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let allowed = format!("\n[identity.fetch]\nallow_networks = [\"{}\"]\n", publication.network());
    let fetching = broker(&bench, &format!("{allowed}[identity.aia]\nhosts = [\"{host}\"]\n"));
    let not_fetching = broker(&bench, &allowed);
    for path in ["ca.cer", "ca.p7c"] {
        let card = bench.card_of("alice").alone().issuer_at(&publication.url(path)).issue().unwrap();
        for _ in 0..2 {
            assert_eq!(bench.log_in_at(&fetching, &card, DESK1).status, 200, "{path}");
        }
        assert_eq!(publication.asked(path), 1, "{path}");
        let refused = bench.log_in_at(&not_fetching, &card, DESK1);
        assert_eq!(refused.refusal(), Some("certificate_untrusted"), "{refused:?}");
        assert_eq!(publication.asked(path), 1, "{path}");
    }
    for path in ["absent.cer", "rubbish.cer", "moved/ca.cer", "oversize.crl"] {
        let card = bench.card_of("alice").alone().issuer_at(&publication.url(path)).issue().unwrap();
        let refused = bench.log_in_at(&fetching, &card, DESK1);
        assert_eq!(refused.refusal(), Some("certificate_untrusted"), "{path}: {refused:?}");
    }
}

/// A card's certificate that nobody believes yet must not make the broker ask anybody but those it may.
#[test]
fn a_stranger_s_card_cannot_send_the_broker_anywhere_else() {
    let bench = Bench::shared();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The hosts are allowed, their network is not; and the other way round.
    let by_network = format!(
        "\n[identity.fetch]\nallow_ports = [{port}]\n[identity.aia]\nhosts = [\"127.0.0.1\", \"localhost\"]\n"
    );
    let by_host = format!(
        "\n[identity.fetch]\nallow_networks = [\"127.0.0.0/8\"]\nallow_ports = [{port}]\n[identity.aia]\nhosts = [\"pki.example\"]\n"
    );
    for tables in [by_network, by_host] {
        let broker = broker(&bench, &tables);
        for url in [format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}/")] {
            let card = bench.card_of("alice").by_a_stranger().alone().issuer_at(&url).issue().unwrap();
            let refused = bench.log_in_at(&broker, &card, DESK1);
            assert_eq!(refused.refusal(), Some("certificate_untrusted"), "{refused:?}");
        }
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().map_err(|error| error.kind()).err(), Some(std::io::ErrorKind::WouldBlock));
}
