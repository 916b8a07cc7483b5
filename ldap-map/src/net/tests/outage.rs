//! Servers that hang, are stopped or go away, and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::net::directory::ServerState;

const OTHER: &str = "dc2.corp.example";
/// Far below the time that an operation may take.
const SOON: Duration = Duration::from_secs(4);

fn states(directory: &Directory) -> Vec<ServerState> {
    directory.server_status().into_iter().map(|status| status.state).collect()
}

/// Two servers that would wait for long.
fn patient(ca: &Ca, servers: Vec<LdapServer>) -> Directory {
    let long = Duration::from_secs(60);
    open(Settings {
        servers,
        connect_timeout: long,
        operation_timeout: long,
        pool_size: 4,
        ..settings(ca, &[])
    })
}

/// The ordinary directory while the switch is on; silence while it is off.
fn switched(switch: &Arc<AtomicBool>) -> impl Fn(&Asked) -> Vec<Answer> + use<> {
    let (switch, ordinary) = (Arc::clone(switch), ordinary());
    move |asked| if switch.load(Ordering::Relaxed) { ordinary(asked) } else { Vec::new() }
}

fn on() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

#[tokio::test]
async fn a_login_does_not_wait_for_a_silent_server_until_its_time_is_over() {
    let ca = Ca::new();
    let silent = Server::start(&ca, NAME, but_names(Vec::new)).await;
    let good = Server::start(&ca, OTHER, ordinary()).await;
    let directory = patient(&ca, vec![silent.place(), good.place()]);
    let name = alice();
    let (_, server) = timeout(SOON, directory.account_and_server(&name)).await.expect("in time").unwrap();
    assert_eq!(OTHER, server.name());
    assert_eq!([ServerState::PassedOver, ServerState::Answering], states(&directory)[..]);
}

#[tokio::test]
async fn a_login_does_not_wait_for_a_stopped_host_until_its_time_is_over() {
    let ca = Ca::new();
    // The kernel takes the connection, and nobody ever reads from it.
    let stopped = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = LdapServer::new(NAME, 636).unwrap().at(stopped.local_addr().unwrap());
    let good = Server::start(&ca, OTHER, ordinary()).await;
    let directory = patient(&ca, vec![place, good.place()]);
    timeout(SOON, directory.account_by_upn(&alice())).await.expect("in time").unwrap();
    assert_eq!([ServerState::PassedOver, ServerState::Answering], states(&directory)[..]);
}

#[tokio::test]
async fn connections_that_rest_to_a_server_which_froze_swallow_no_logins() {
    let ca = Ca::new();
    let switch = on();
    let freezing = Server::start(&ca, NAME, switched(&switch)).await;
    let good = Server::start(&ca, OTHER, ordinary()).await;
    let directory = Arc::new(patient(&ca, vec![freezing.place(), good.place()]));
    let logins = |count: usize| {
        let login = |directory: Arc<Directory>| async move {
            timeout(SOON, directory.account_by_upn(&alice())).await.map_err(drop)
        };
        (0..count).map(|_| tokio::spawn(login(Arc::clone(&directory)))).collect::<Vec<_>>()
    };
    for login in logins(8) {
        login.await.unwrap().expect("in time").unwrap();
    }
    assert_eq!((4, 0), (freezing.binds(), good.binds()));
    switch.store(false, Ordering::Relaxed);
    for login in logins(40) {
        login.await.unwrap().expect("in time").unwrap();
    }
    // Those four that held a connection lost it; whoever came after them did not even try.
    assert_eq!((4, 4), (freezing.binds(), good.binds()));
}

#[tokio::test]
async fn the_answer_of_a_slow_server_counts_where_no_other_is_ready() {
    let ca = Ca::new();
    let ordinary = ordinary();
    let slow = Server::start(&ca, NAME, move |asked: &Asked| {
        let mut answers = ordinary(asked);
        if asked.mentions("userPrincipalName") {
            answers.insert(0, Answer::Pause(Duration::from_millis(800)));
        }
        answers
    })
    .await;
    let directory = patient(&ca, vec![slow.place(), "dc3.corp.example=127.0.0.1:1".parse().unwrap()]);
    for _ in 0..2 {
        timeout(SOON, directory.account_by_upn(&alice())).await.expect("in time").unwrap();
    }
    // Asked again after the other one had failed, and then given its time.
    assert_eq!((2, ServerState::Answering), (slow.binds(), states(&directory)[0]));
}

#[tokio::test]
async fn a_server_that_is_back_is_noticed_without_a_login_and_without_a_bind() {
    let ca = Ca::new();
    let switch = on();
    let freezing = Server::start(&ca, NAME, switched(&switch)).await;
    let good = Server::start(&ca, OTHER, ordinary()).await;
    let directory = patient(&ca, vec![freezing.place(), good.place()]);
    switch.store(false, Ordering::Relaxed);
    directory.account_by_upn(&alice()).await.unwrap();
    assert_eq!([ServerState::PassedOver, ServerState::Answering], states(&directory)[..]);
    let binds = freezing.binds();
    switch.store(true, Ordering::Relaxed);
    let noticed = async {
        while states(&directory)[0] == ServerState::PassedOver {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = directory.tend() => {}
        noticed = timeout(Duration::from_secs(30), noticed) => noticed.expect("noticed"),
    }
    assert_eq!(binds, freezing.binds());
    let (_, server) = directory.account_and_server(&alice()).await.unwrap();
    assert_eq!(NAME, server.name());
}

#[tokio::test]
async fn a_server_that_cannot_be_dialled_is_passed_over_by_the_next_login() {
    let ca = Ca::new();
    let good = Server::start(&ca, OTHER, ordinary()).await;
    let directory = patient(&ca, vec!["dc1.corp.example=127.0.0.1:1".parse().unwrap(), good.place()]);
    directory.account_by_upn(&alice()).await.unwrap();
    let lost = directory.server_status()[0].since;
    directory.account_by_upn(&alice()).await.unwrap();
    assert_eq!((ServerState::PassedOver, lost), (states(&directory)[0], directory.server_status()[0].since));
}

#[tokio::test]
async fn no_more_than_three_servers_are_tried_for_one_login() {
    let ca = Ca::new();
    let nowhere = |number| format!("dc{number}.corp.example=127.0.0.1:1").parse().unwrap();
    let directory = patient(&ca, (1..=5).map(nowhere).collect());
    assert_eq!(3, attempts(directory.account_by_upn(&alice()).await.unwrap_err()).len());
}

#[tokio::test]
async fn servers_that_are_not_known_yet_can_be_named_later() {
    let ca = Ca::new();
    let good = Server::start(&ca, NAME, ordinary()).await;
    let directory = patient(&ca, Vec::new());
    let error = directory.account_by_upn(&alice()).await.unwrap_err();
    assert_eq!("no directory server can be used: none is known", error.to_string());
    assert_eq!(Err(SettingsError::Servers), directory.set_servers(Vec::new()));
    directory.set_servers(vec![good.place()]).unwrap();
    directory.account_by_upn(&alice()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_no_longer_named_is_no_longer_asked() {
    let ca = Ca::new();
    let former = Server::start(&ca, NAME, ordinary()).await;
    let good = Server::start(&ca, OTHER, ordinary()).await;
    let directory = patient(&ca, vec![former.place()]);
    directory.account_by_upn(&alice()).await.unwrap();
    directory.set_servers(vec![good.place()]).unwrap();
    let asked = former.asked().len();
    let (_, server) = directory.account_and_server(&alice()).await.unwrap();
    assert_eq!((OTHER, asked), (server.name(), former.asked().len()));
}
