use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::fetch::FetchSettings;
use super::super::testing::{Authority, now, tlv};
use super::*;

/// A server that answers every request with the same, and counts them.
async fn site(answer: Vec<u8>) -> (u16, tokio::sync::watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, asked) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
            sender.send_modify(|asked| *asked += 1);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
            let _gone = stream.write_all(&[head.as_bytes(), &answer].concat()).await;
        }
    });
    (port, asked)
}

fn store(port: u16, hosts: &[&str]) -> Arc<IssuerStore> {
    let allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let fetcher = Fetcher::new(FetchSettings { allow_networks, allow_ports: vec![port] });
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    Arc::new(IssuerStore::new(Arc::new(fetcher), IssuerFetchSettings::new(hosts)))
}

fn urls(port: u16, paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| format!("http://127.0.0.1:{port}{path}")).collect()
}

#[tokio::test]
async fn a_certificate_is_fetched_once_for_all_who_want_it() {
    let root = Authority::root("Root");
    let (port, asked) = site(root.certificate.to_vec()).await;
    let (store, urls) = (store(port, &["127.0.0.1"]), urls(port, &["/ca.cer"]));
    let (one, other) = tokio::join!(store.obtain(&urls, now()), store.obtain(&urls, now()));
    assert_eq!(one, std::slice::from_ref(&root.certificate));
    assert_eq!(one, other);
    store.obtain(&urls, now() + KEPT / 2).await;
    assert_eq!(*asked.borrow(), 1);
    store.obtain(&urls, now() + KEPT * 2).await;
    assert_eq!(*asked.borrow(), 2);
}

#[tokio::test]
async fn the_certificates_of_a_certs_only_message_are_taken() {
    let (one, other) = (Authority::root("One"), Authority::root("Other"));
    let certificates =
        [one.certificate.as_ref(), &other.certificate, &one.card(), &tlv(0x30, b"rubbish")].concat();
    let fields = [vec![2, 1, 1, 0x31, 0, 0x30, 0], tlv(0xa0, &certificates), vec![0x31, 0]].concat();
    let signed_data = tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]);
    let (port, _) = site(tlv(0x30, &[signed_data, tlv(0xa0, &tlv(0x30, &fields))].concat())).await;
    let found = store(port, &["127.0.0.1"]).obtain(&urls(port, &["/ca.p7c"]), now()).await;
    assert_eq!(found, [one.certificate, other.certificate], "a card is no issuer");
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_while() {
    let (port, asked) = site(b"<html>".to_vec()).await;
    let (store, urls) = (store(port, &["127.0.0.1"]), urls(port, &["/ca.cer"]));
    for _ in 0..3 {
        assert!(store.obtain(&urls, now()).await.is_empty());
    }
    assert_eq!(*asked.borrow(), 1);
    store.obtain(&urls, now() + KEPT_FAILURE * 2).await;
    assert_eq!(*asked.borrow(), 2);
}

#[tokio::test]
async fn a_host_that_is_not_configured_is_not_asked() {
    let (port, asked) = site(Authority::root("Root").certificate.to_vec()).await;
    assert!(store(port, &["pki.example"]).obtain(&urls(port, &["/ca.cer"]), now()).await.is_empty());
    assert_eq!(*asked.borrow(), 0);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_none() {
    let (port, _) = site(vec![0x30; 100 * 1024]).await;
    assert!(store(port, &["127.0.0.1"]).obtain(&urls(port, &["/ca.cer"]), now()).await.is_empty());
}

#[tokio::test]
async fn what_led_to_no_path_is_not_kept_for_long() {
    let (port, asked) = site(Authority::root("Rogue").certificate.to_vec()).await;
    let (store, urls) = (store(port, &["127.0.0.1"]), urls(port, &["/ca.cer"]));
    store.obtain(&urls, now()).await;
    store.doubt(&urls);
    store.obtain(&urls, now() + KEPT_FAILURE * 2).await;
    assert_eq!(*asked.borrow(), 2);
}

#[tokio::test]
async fn urls_of_strangers_do_not_push_out_what_was_found() {
    let (port, asked) = site(Authority::root("Root").certificate.to_vec()).await;
    let (store, found) = (store(port, &["127.0.0.1"]), urls(port, &["/ca.cer"]));
    store.obtain(&found, now()).await;
    let elsewhere: Vec<String> = (0..2 * MAX_URLS).map(|n| format!("http://{n}.example/")).collect();
    store.obtain(&elsewhere, now()).await;
    // At a host that is configured, and in vain.
    let refused: Vec<String> = (0..2 * MAX_URLS).map(|n| format!("http://127.0.0.1:25/{n}")).collect();
    store.obtain(&refused, now()).await;
    store.obtain(&found, now()).await;
    assert_eq!(*asked.borrow(), 1);
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_make_a_failure_last() {
    let (port, asked) = site(b"<html>".to_vec()).await;
    let (store, urls) = (store(port, &["127.0.0.1"]), urls(port, &["/ca.cer"]));
    store.obtain(&urls, now() + KEPT * 30).await;
    store.obtain(&urls, now()).await;
    assert_eq!(*asked.borrow(), 2);
}
