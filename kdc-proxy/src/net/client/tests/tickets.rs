//! What is obtained, what is used again, and what is obtained anew.

use super::loopback::{AS_REQ, Port, TGS_REQ};
use super::*;
use crate::error::{ErrorCode, NtStatus};
use crate::ticket::TicketFlags;
use crate::time::KerberosTime;

const HOUR: Duration = Duration::from_secs(3600);

fn desk1() -> PrincipalName {
    name("TERMSRV/desk1.corp.example")
}

fn uncached(kdcs: Vec<Endpoint>) -> Client {
    Client::new(Settings { s4u_cache: Duration::ZERO, ..settings(kdcs) }, password()).unwrap()
}

#[tokio::test]
async fn a_user_gets_a_ticket_for_a_desktop() {
    let port = shared().port().await;
    let client = client(vec![port.address.clone()]);
    let evidence = client.s4u2self(&user("user2")).await.unwrap();
    assert!(evidence.is_forwardable());
    assert_eq!(evidence.pac().user_sid().rid(), Some(2002));
    let ticket = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert_eq!(ticket.client(), &user("user2"));
    assert!(ticket.server().name().eq_ignoring_type(&desk1()));
    assert!(ticket.endtime() <= system::now() + HOUR);
    assert_eq!((port.count(AS_REQ), port.count(TGS_REQ)), (2, 2));
}

#[tokio::test]
async fn a_keytab_serves_under_the_accounts_name_or_its_spn_in_any_case() {
    let port = shared().port().await;
    for principal in ["svc-broker", "Svc-Broker", "HTTP/broker.corp.example", "http/BROKER.corp.example"] {
        let settings = settings(vec![port.address.clone()]);
        let client = Client::new(settings, keytab(principal, Etype::Aes256)).unwrap();
        client.s4u2self(&user("user1")).await.unwrap();
    }
}

#[tokio::test]
async fn fifty_logins_at_once_share_one_as_exchange() {
    let port = SharedKdc::new(kdc_with_users(50)).port().await;
    let client = Arc::new(client(vec![port.address.clone()]));
    let logins: Vec<_> = (1..=50)
        .map(|index| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.s4u2self(&user(&format!("user{index}"))).await })
        })
        .collect();
    for login in logins {
        login.await.unwrap().unwrap();
    }
    assert_eq!((port.count(AS_REQ), port.count(TGS_REQ)), (2, 50));
}

#[tokio::test]
async fn results_are_used_again_while_they_are_fresh() {
    let port = shared().port().await;
    let client = client(vec![port.address.clone()]);
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    assert!(Arc::ptr_eq(&evidence, &client.s4u2self(&user("user1")).await.unwrap()));
    let ticket = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert!(Arc::ptr_eq(&ticket, &client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap()));
    assert_eq!(port.count(TGS_REQ), 2);

    let shorter = client.s4u2proxy(&evidence, &desk1(), HOUR / 2).await.unwrap();
    assert!(shorter.endtime() < ticket.endtime(), "a longer ticket than asked for is not handed out");
    client.s4u2self(&user("user2")).await.unwrap();
    assert_eq!(port.count(TGS_REQ), 4);
}

#[tokio::test]
async fn without_a_cache_every_result_is_fresh() {
    let port = shared().port().await;
    let client = uncached(vec![port.address.clone()]);
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    assert!(!Arc::ptr_eq(&evidence, &client.s4u2self(&user("user1")).await.unwrap()));
    client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert_eq!(port.count(TGS_REQ), 4);
}

#[tokio::test]
async fn the_own_ticket_is_replaced_before_it_ends() {
    let kdc = shared();
    // A ticket that has run for two minutes and has one left.
    let now = KerberosTime::from_system(system::now()).unwrap().unix_seconds();
    let time = KerberosTime::from_unix_seconds;
    kdc.lock().hooks.part = Some(Box::new(move |part| {
        part.starttime = Some(time(now - 120));
        part.endtime = time(now + 60);
    }));
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    client.service_tgt().await.unwrap();
    kdc.lock().hooks.part = None;
    let second = client.service_tgt().await.unwrap();
    assert_eq!(port.count(AS_REQ), 4);
    assert!(second.endtime > system::now() + HOUR);
    assert_eq!(client.service_tgt().await.unwrap(), second);
    assert_eq!(port.count(AS_REQ), 4);
}

#[tokio::test]
async fn a_user_gets_the_whole_lifetime_however_old_the_own_ticket_is() {
    let kdc = shared();
    let now = KerberosTime::from_system(system::now()).unwrap().unix_seconds();
    let time = KerberosTime::from_unix_seconds;
    // Our own ticket began four minutes ago and ends in 26.
    kdc.lock().hooks.part = Some(Box::new(move |part| {
        part.starttime = Some(time(now - 240));
        part.endtime = time(now + 1560);
    }));
    let port = kdc.port().await;
    let renew_before = Settings::renew_before_for(HOUR, Duration::from_secs(60));
    let settings = Settings { renew_before, ..settings(vec![port.address.clone()]) };
    let client = Client::new(settings, password()).unwrap();
    client.service_tgt().await.unwrap();
    kdc.lock().hooks.part = None;
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    let ticket = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert!(ticket.endtime() > system::now() + HOUR - Duration::from_secs(60));
}

#[tokio::test]
async fn a_revoked_ticket_is_replaced_once_and_the_exchange_repeated() {
    for code in [
        ErrorCode::KDC_ERR_TGT_REVOKED,
        ErrorCode::KRB_AP_ERR_BAD_INTEGRITY,
        ErrorCode::KRB_AP_ERR_MODIFIED,
        ErrorCode::KRB_AP_ERR_BADKEYVER,
    ] {
        let kdc = shared();
        let port = kdc.port().await;
        let client = client(vec![port.address.clone()]);
        client.service_tgt().await.unwrap();
        kdc.lock().refuse_next(code);
        client.s4u2self(&user("user1")).await.unwrap();
        assert_eq!((port.count(AS_REQ), port.count(TGS_REQ)), (4, 2), "{code}");
    }
}

#[tokio::test]
async fn a_kdc_that_refuses_every_ticket_is_asked_twice_and_no_more() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    // Tickets whose session key is of no etype: the KDC that issued them cannot use them, and says so.
    kdc.lock().hooks.ticket = Some(Box::new(|part| part.key.keytype = 99));
    let code = ErrorCode::KRB_AP_ERR_BAD_INTEGRITY;
    kdc.lock().hooks.error = Some(Box::new(move |error| {
        if error.error_code == ErrorCode::KRB_ERR_GENERIC.number() {
            error.error_code = code.number();
        }
    }));
    let error = client.s4u2self(&user("user1")).await.unwrap_err();
    assert_eq!(
        error,
        ClientError::KdcRefused { stage: Stage::S4u2Self, realm: realm(), code, status: None, text: None }
    );
    assert_eq!((port.count(AS_REQ), port.count(TGS_REQ)), (4, 2));
}

#[tokio::test]
async fn stale_evidence_is_obtained_anew_before_the_ticket_is() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    kdc.lock().refuse_next(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY);
    let ticket = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert_eq!(ticket.client(), &user("user1"));
    // S4U2Self, refused S4U2Proxy, S4U2Self, S4U2Proxy.
    assert_eq!((port.count(AS_REQ), port.count(TGS_REQ)), (4, 4));
}

#[tokio::test]
async fn evidence_that_no_longer_says_the_same_is_not_put_in_the_place_of_the_old() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    let account = kdc.lock().account_mut("user1").unwrap().clone();
    *kdc.lock().account_mut("user1").unwrap() = account.sensitive();
    kdc.lock().refuse_next(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY);
    let error = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap_err();
    assert_eq!(error, ClientError::Request(RequestError::AccountChanged));
}

/// Evidence that ends in three seconds.
async fn evidence_about_to_end(kdc: &SharedKdc, client: &Client) -> Arc<Evidence> {
    client.service_tgt().await.unwrap();
    let now = KerberosTime::from_system(system::now()).unwrap().unix_seconds();
    let end = KerberosTime::from_unix_seconds(now + 3);
    kdc.lock().hooks.part = Some(Box::new(move |part| part.endtime = end));
    kdc.lock().hooks.ticket = Some(Box::new(move |part| part.endtime = end));
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    kdc.lock().hooks.part = None;
    kdc.lock().hooks.ticket = None;
    evidence
}

#[tokio::test]
async fn evidence_that_has_ended_is_obtained_anew() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    let evidence = evidence_about_to_end(&kdc, &client).await;
    let ticket = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert!(ticket.client() == &user("user1") && ticket.endtime() > system::now() + HOUR / 2);
    // S4U2Self, again, S4U2Proxy; the own ticket still serves.
    assert_eq!((port.count(AS_REQ), port.count(TGS_REQ)), (2, 3));
}

#[tokio::test]
async fn evidence_that_has_ended_does_not_outlive_a_change_of_the_account() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    let evidence = evidence_about_to_end(&kdc, &client).await;
    let account = kdc.lock().account_mut("user1").unwrap().clone();
    *kdc.lock().account_mut("user1").unwrap() = account.sensitive();
    let error = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap_err();
    assert_eq!(error, ClientError::Request(RequestError::AccountChanged));
}

#[tokio::test]
async fn a_refused_delegation_keeps_code_and_status() {
    let port = shared().port().await;
    let client = client(vec![port.address.clone()]);
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    let desk2 = name("TERMSRV/desk2.corp.example");
    let error = client.s4u2proxy(&evidence, &desk2, HOUR).await.unwrap_err();
    let ClientError::KdcRefused { stage, code, status, .. } = error else { panic!("{error}") };
    assert_eq!((stage, code), (Stage::S4u2Proxy, ErrorCode::KDC_ERR_BADOPTION));
    assert!(status.is_some_and(|status: NtStatus| status.name().is_some()), "{status:?}");
    // A refusal of delegation says nothing about our own tickets.
    assert_eq!(port.count(AS_REQ), 2);
}

#[tokio::test]
async fn an_unknown_user_is_refused_by_the_kdc() {
    let port = shared().port().await;
    let error = client(vec![port.address.clone()]).s4u2self(&user("nobody")).await.unwrap_err();
    let code = ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN;
    let status = Some(NtStatus::STATUS_NO_SUCH_USER);
    assert_eq!(
        error,
        ClientError::KdcRefused { stage: Stage::S4u2Self, realm: realm(), code, status, text: None }
    );
}

#[tokio::test]
async fn a_cancelled_login_leaves_nothing_half_done() {
    let kdc = shared();
    let frozen = Port::frozen().await;
    let port = kdc.port().await;
    let client = Client::new(
        Settings {
            exchange_timeout: Duration::from_secs(1),
            ..settings(vec![frozen.address.clone(), port.address.clone()])
        },
        password(),
    )
    .unwrap();
    let user = user("user1");
    let bounded = tokio::time::timeout(Duration::from_millis(50), client.s4u2self(&user));
    assert!(bounded.await.is_err());
    client.s4u2self(&user).await.unwrap();
}

#[tokio::test]
async fn evidence_that_is_not_forwardable_is_told_as_it_is() {
    let kdc = shared();
    let account = kdc.lock().account_mut("user1").unwrap().clone();
    *kdc.lock().account_mut("user1").unwrap() = account.sensitive();
    let port = kdc.port().await;
    let evidence = client(vec![port.address.clone()]).s4u2self(&user("user1")).await.unwrap();
    assert!(!evidence.is_forwardable());
    assert!(!evidence.ticket().flags().contains(TicketFlags::FORWARDABLE));
}
