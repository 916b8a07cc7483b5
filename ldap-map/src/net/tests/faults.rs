//! Servers that break the protocol, stay silent or are not there.

use super::*;

#[tokio::test]
async fn references_without_end_are_given_up() {
    let script = but_names(|| (0..100).map(|_| Answer::Reference).collect());
    assert!(matches!(fault_of(script).await, Fault::Unexpected));
}

#[tokio::test]
async fn more_objects_than_were_allowed_are_given_up() {
    let script = but_names(|| {
        let people = (0..3).map(|_| Answer::Entry(Person::new("alice")));
        people.chain([Answer::Done(0)]).collect()
    });
    assert!(matches!(fault_of(script).await, Fault::Unexpected));
}

#[tokio::test]
async fn a_malformed_entry_is_given_up() {
    let octets = hex::decode("3009020102640404020030").unwrap();
    let fault = fault_of(but_names(move || vec![Answer::Raw(octets.clone())])).await;
    assert!(matches!(fault, Fault::Message(MessageError::Encoding)), "{fault}");
}

#[tokio::test]
async fn a_message_without_end_is_given_up() {
    let fault = fault_of(but_names(|| vec![Answer::Raw(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])])).await;
    assert!(matches!(fault, Fault::Message(MessageError::TooLong)), "{fault}");
}

#[tokio::test]
async fn an_answer_to_another_request_is_given_up() {
    assert!(matches!(fault_of(but_names(|| vec![Answer::OtherId])).await, Fault::Unexpected));
}

#[tokio::test]
async fn a_notice_of_disconnection_is_told() {
    let fault = fault_of(but_names(|| vec![Answer::Notice(52)])).await;
    assert!(matches!(fault, Fault::Unable(ResultCode::UNAVAILABLE)), "{fault}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_told() {
    let fault = fault_of(but_names(|| vec![Answer::Close])).await;
    assert!(matches!(fault, Fault::Closed | Fault::Broken(_)), "{fault}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    assert!(matches!(fault_of(but_names(Vec::new)).await, Fault::Timeout));
}

#[tokio::test]
async fn a_server_that_never_finishes_is_given_up_in_time() {
    let script = but_names(|| vec![Answer::Entry(Person::new("alice"))]);
    assert!(matches!(fault_of(script).await, Fault::Timeout));
}

#[tokio::test]
async fn a_server_that_runs_out_of_time_is_given_up() {
    let fault = fault_of(but_names(|| vec![Answer::Done(3)])).await;
    assert!(matches!(fault, Fault::Unable(ResultCode::TIME_LIMIT_EXCEEDED)), "{fault}");
}

#[tokio::test]
async fn the_next_server_takes_over_and_stays() {
    let ca = Ca::new();
    let silent = Server::start(&ca, NAME, but_names(Vec::new)).await;
    let good = Server::start(&ca, "dc2.corp.example", ordinary()).await;
    let directory = open(impatient(&ca, &[&silent, &good]));
    for _ in 0..3 {
        directory.account_by_upn(&alice()).await.unwrap();
    }
    assert_eq!((1, 1), (silent.binds(), good.binds()));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_passed_over() {
    let ca = Ca::new();
    let good = Server::start(&ca, "dc2.corp.example", ordinary()).await;
    let nowhere: LdapServer = "dc1.corp.example=127.0.0.1:1".parse().unwrap();
    let servers = vec![nowhere, good.place()];
    open(Settings { servers, ..settings(&ca, &[]) }).account_by_upn(&alice()).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_broke_while_it_rested_is_replaced() {
    let ca = Ca::new();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let ordinary = ordinary();
    // Every second search by name ends in a closed connection.
    let script = move |asked: &Asked| {
        let by_name = asked.mentions("userPrincipalName");
        if by_name && count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1 {
            return vec![Answer::Close];
        }
        ordinary(asked)
    };
    let server = Server::start(&ca, NAME, script).await;
    let directory = open(settings(&ca, &[&server]));
    directory.account_by_upn(&alice()).await.unwrap();
    directory.account_by_upn(&alice()).await.unwrap();
    assert_eq!(2, server.binds());
}

/// Lets so much time pass for the pool, and none for anything else.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// How many signs of life were asked for.
fn signs_of_life(server: &Server) -> usize {
    let is_sign = |asked: &&Asked| matches!(asked, Asked::Search { base, .. } if base.is_empty());
    server.asked().iter().filter(is_sign).count()
}

#[tokio::test]
async fn a_connection_that_rested_shows_that_it_lives_before_it_is_used() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let directory = open(settings(&ca, &[&server]));
    for (rest, signs, binds) in [(0, 0, 1), (9, 0, 1), (11, 1, 1), (301, 1, 2)] {
        pass(Duration::from_secs(rest)).await;
        directory.account_by_upn(&alice()).await.unwrap();
        assert_eq!((signs, binds), (signs_of_life(&server), server.binds()), "after {rest} seconds");
    }
}

#[tokio::test]
async fn the_connections_to_a_server_that_died_cost_one_wait_and_not_one_each() {
    let ca = Ca::new();
    let ordinary_answer = ordinary();
    let dying = Server::start(&ca, NAME, move |asked: &Asked| match asked {
        Asked::Search { base, .. } if base.is_empty() => Vec::new(),
        _ => ordinary_answer(asked),
    })
    .await;
    let directory = open(Settings { pool_size: 4, ..impatient(&ca, &[&dying]) });
    let login = || async { directory.account_by_upn(&alice()).await.is_ok() };
    assert_eq!((true, true, true, true), tokio::join!(login(), login(), login(), login()));
    assert_eq!(4, dying.binds());
    pass(Duration::from_secs(11)).await;
    assert!(login().await);
    assert_eq!((1, 5), (signs_of_life(&dying), dying.binds()));
}

#[tokio::test]
async fn a_server_of_another_ca_is_not_trusted() {
    let (ca, other) = (Ca::new(), Ca::new());
    let server = Server::start(&other, NAME, ordinary()).await;
    let error = open(settings(&ca, &[&server])).account_by_upn(&alice()).await.unwrap_err();
    let attempts = attempts(error);
    assert!(matches!(attempts[0].fault, Fault::Tls(rustls::Error::InvalidCertificate(_))), "{attempts:?}");
    assert_eq!(0, server.binds());
}

#[tokio::test]
async fn a_server_of_another_name_is_not_trusted() {
    let ca = Ca::new();
    let server = Server::start(&ca, "other.corp.example", ordinary()).await;
    let place = server.place().to_string().replace("other", "dc1").parse().unwrap();
    let error = open(Settings { servers: vec![place], ..settings(&ca, &[]) }).account_by_upn(&alice()).await;
    let attempts = attempts(error.unwrap_err());
    assert!(matches!(attempts[0].fault, Fault::Tls(rustls::Error::InvalidCertificate(_))), "{attempts:?}");
    assert_eq!(0, server.binds());
}

#[tokio::test]
async fn a_machine_of_the_domain_that_is_no_domain_controller_gets_no_password() {
    let ca = Ca::new();
    let only_host = Server::start(&ca, NAME, ordinary()).await;
    let names = [NAME, "CORP.example"];
    let of_domain = Server::start_with_names(&ca, &names, ordinary()).await;
    let asked = |server: &Server| {
        let servers = vec![server.place().of_domain("corp.example")];
        let directory = open(Settings { servers, ..settings(&ca, &[]) });
        async move { directory.account_by_upn(&alice()).await }
    };
    let attempts = attempts(asked(&only_host).await.unwrap_err());
    assert!(matches!(attempts[0].fault, Fault::Tls(rustls::Error::InvalidCertificate(_))), "{attempts:?}");
    assert!(asked(&of_domain).await.is_ok());
    assert_eq!((0, 1), (only_host.binds(), of_domain.binds()));
}
