//! KDCs that hang, break connections, are slow or go away, and come back.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::timeout;

use super::loopback::{AS_REQ, Port, Stopped, TGS_REQ};
use super::*;

/// Far below the time that a KDC is given for an exchange.
const SOON: Duration = Duration::from_secs(5);

fn states(client: &Client) -> Vec<KdcState> {
    client.kdc_status().into_iter().map(|status| status.state).collect()
}

#[tokio::test]
async fn a_login_does_not_wait_for_a_stopped_kdc_until_its_time_is_over() {
    let (stopped, second) = (Stopped::new().await, shared().port().await);
    let client = client(vec![stopped.address.clone(), second.address.clone()]);
    let status = timeout(SOON, client.service_tgt()).await.expect("in time").unwrap();
    assert_eq!(status.kdc, second.address);
    assert_eq!(states(&client), [KdcState::PassedOver, KdcState::Answering]);
}

#[tokio::test]
async fn a_kdc_that_stops_once_it_has_seen_our_key_is_not_waited_for_until_its_time_is_over() {
    let kdc = shared();
    let asked = Arc::new(AtomicBool::new(false));
    let answer = {
        let kdc = kdc.clone();
        move |request: &[u8]| {
            if asked.swap(true, Ordering::Relaxed) { Vec::new() } else { kdc.framed(request) }
        }
    };
    let (first, second) = (Port::open(answer).await, kdc.port().await);
    let client = client(vec![first.address.clone(), second.address.clone()]);
    let status = timeout(SOON, client.service_tgt()).await.expect("in time").unwrap();
    assert_eq!(status.kdc, second.address);
    assert_eq!(first.count(AS_REQ), 2);
}

#[tokio::test]
async fn fifty_logins_learn_of_a_stopped_kdc_from_each_other() {
    let kdc = SharedKdc::new(kdc_with_users(50));
    let (frozen, second) = (Port::frozen().await, kdc.port().await);
    let client = Arc::new(client(vec![second.address.clone()]));
    client.service_tgt().await.unwrap();
    client.set_kdcs(&realm(), vec![frozen.address.clone(), second.address.clone()]).unwrap();
    let logins: Vec<_> = (1..=50)
        .map(|index| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20 * index)).await;
                timeout(SOON, client.s4u2self(&user(&format!("user{index}")))).await.map_err(drop)
            })
        })
        .collect();
    for login in logins {
        login.await.unwrap().expect("in time").unwrap();
    }
    assert_eq!(second.count(TGS_REQ), 50);
    // Whoever came after the first had waited for long enough asked the other one at once.
    assert!((1..50).contains(&frozen.count(TGS_REQ)), "{}", frozen.count(TGS_REQ));
}

#[tokio::test]
async fn a_kdc_that_breaks_the_connection_is_passed_over() {
    // A reply that is cut off by the end of the connection.
    let (broken, second) = (Port::open(|_| vec![0, 0]).await, shared().port().await);
    let settings =
        Settings { exchange_timeout: Duration::from_secs(1), ..settings(vec![broken.address.clone()]) };
    let client = Client::new(settings, password()).unwrap();
    client.set_kdcs(&realm(), vec![broken.address.clone(), second.address.clone()]).unwrap();
    assert_eq!(client.service_tgt().await.unwrap().kdc, second.address);
    assert_eq!(states(&client), [KdcState::PassedOver, KdcState::Answering]);
}

#[tokio::test]
async fn the_answer_of_a_slow_kdc_counts() {
    let kdc = shared();
    let answer = {
        let kdc = kdc.clone();
        move |request: &[u8]| kdc.framed(request)
    };
    let slow = Port::slow(Duration::from_millis(800), answer).await;
    // Alone, and beside one that is worse.
    let frozen = Port::frozen().await;
    for kdcs in [vec![slow.address.clone()], vec![slow.address.clone(), frozen.address.clone()]] {
        let client = client(kdcs);
        assert_eq!(client.service_tgt().await.unwrap().kdc, slow.address);
        assert_eq!(states(&client)[0], KdcState::Answering);
    }
}

#[tokio::test]
async fn no_more_than_three_kdcs_are_tried_for_one_request() {
    let mut closed = Vec::new();
    for _ in 0..5 {
        closed.push(Port::closed().await);
    }
    let error = client(closed).service_tgt().await.unwrap_err();
    let ClientError::KdcUnavailable { attempts } = error else { panic!("{error}") };
    assert_eq!(attempts.len(), 3);
}

#[tokio::test]
async fn a_kdc_that_is_back_is_noticed_without_a_login() {
    let kdc = shared();
    let is_back = Arc::new(AtomicBool::new(false));
    let answer = {
        let is_back = Arc::clone(&is_back);
        let kdc = kdc.clone();
        move |request: &[u8]| if is_back.load(Ordering::Relaxed) { kdc.framed(request) } else { Vec::new() }
    };
    let (first, second) = (Port::open(answer).await, kdc.port().await);
    let client = client(vec![first.address.clone(), second.address.clone()]);
    client.service_tgt().await.unwrap();
    assert_eq!(states(&client), [KdcState::PassedOver, KdcState::Answering]);
    let lost = client.kdc_status()[0].since;
    is_back.store(true, Ordering::Relaxed);
    let noticed = async {
        while states(&client)[0] == KdcState::PassedOver {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = client.tend() => {}
        noticed = timeout(Duration::from_secs(30), noticed) => noticed.expect("noticed"),
    }
    assert!(client.kdc_status()[0].since > lost);
    client.s4u2self(&user("user1")).await.unwrap();
    assert_eq!((first.count(TGS_REQ), second.count(TGS_REQ)), (1, 0));
}

#[tokio::test]
async fn a_realm_whose_kdcs_are_not_known_yet_is_refused_until_they_are() {
    let port = shared().port().await;
    let client = client(Vec::new());
    assert_eq!(client.service_tgt().await.unwrap_err(), ClientError::NoKdc { realm: realm() });
    client.set_kdcs(&realm(), vec![port.address.clone()]).unwrap();
    assert_eq!(client.service_tgt().await.unwrap().kdc, port.address);
    assert_eq!(port.count(AS_REQ), 2);
}

#[tokio::test]
async fn a_realm_that_is_not_configured_gets_no_kdcs() {
    let client = client(somewhere());
    let other = Realm::new("OTHER.EXAMPLE").unwrap();
    assert_eq!(client.set_kdcs(&other, somewhere()), Err(SettingsError::NoKdcs(other)));
    assert_eq!(client.set_kdcs(&realm(), Vec::new()), Err(SettingsError::NoKdcs(realm())));
    assert_eq!(client.kdc_status().len(), 1);
}
