use super::*;
use crate::error::ErrorCode;
use crate::exchange::secret::LongTermKeys;
use crate::key::{Etype, Key};
use crate::net::client::Stage;
use crate::principal::{Principal, PrincipalName, Realm};
use crate::ticket::{TicketFlags, TicketGrantingTicket, TicketTimes};
use crate::time::{ClockOffset, KerberosTime};
use std::cell::Cell;

fn realm() -> Realm {
    Realm::new("CORP.EXAMPLE").unwrap()
}

/// A ticket that started and ends so many seconds from now, to be replaced a minute before its end.
fn ticket(starts: i64, ends: i64) -> OwnTicket {
    let realm = realm();
    let now = i64::from(KerberosTime::from_system(system::now()).unwrap().unix_seconds());
    let time = |offset| KerberosTime::from_unix_seconds(u32::try_from(now + offset).unwrap());
    let times = TicketTimes {
        authtime: time(starts),
        starttime: time(starts),
        endtime: time(ends),
        renew_till: None,
    };
    let ticket = ServiceTicket::new(
        Principal::new("svc-broker".parse().unwrap(), realm.clone()),
        Principal::new(PrincipalName::krbtgt(&realm), realm),
        Key::new(Etype::Aes256, &[7; 32]).unwrap(),
        TicketFlags::INITIAL,
        times,
        Vec::new(),
    );
    let authenticated = Authenticated {
        tgt: TicketGrantingTicket::new(ticket).unwrap(),
        long_term_keys: LongTermKeys::from_keys(Vec::new()),
        clock_offset: ClockOffset::NONE,
    };
    OwnTicket::new(authenticated, "dc1".parse().unwrap(), Duration::from_secs(60))
}

fn fresh() -> OwnTicket {
    ticket(0, 36_000)
}

fn refusal() -> ClientError {
    let code = ErrorCode::KDC_ERR_CLIENT_REVOKED;
    ClientError::KdcRefused { stage: Stage::As, realm: realm(), code, status: None, text: None }
}

/// A holder with this ticket.
async fn holding(own: OwnTicket) -> OwnTicketHolder {
    let holder = OwnTicketHolder::default();
    holder.get(|| async { Ok(own) }).await.unwrap();
    holder
}

async fn never() -> Result<OwnTicket, ClientError> {
    panic!("nobody needs another ticket")
}

#[tokio::test]
async fn a_ticket_that_is_not_due_is_used() {
    let holder = holding(ticket(-3600, 61)).await;
    holder.get(never).await.unwrap();
}

#[tokio::test]
async fn a_ticket_is_due_before_its_end_but_not_in_the_first_eighth_of_its_life() {
    let end = |own: &OwnTicket| own.authenticated.tgt.ticket().endtime();
    let long = ticket(-3600, 3600);
    assert_eq!(end(&long).duration_since(long.due).unwrap(), Duration::from_secs(60));
    let short = ticket(0, 40);
    assert_eq!(end(&short).duration_since(short.due).unwrap(), Duration::from_secs(35));
}

#[tokio::test]
async fn a_ticket_that_is_due_is_replaced() {
    let holder = holding(ticket(-3600, 59)).await;
    let next = holder.get(|| async { Ok(fresh()) }).await.unwrap();
    assert!(!next.is_due());
    assert!(Arc::ptr_eq(&next, &holder.current().unwrap()));
}

#[tokio::test]
async fn a_failed_early_replacement_is_no_error_and_is_not_tried_again_at_once() {
    let holder = holding(ticket(-3600, 59)).await;
    let old = holder.current().unwrap();
    let kept = holder.get(|| async { Err(refusal()) }).await.unwrap();
    assert!(Arc::ptr_eq(&kept, &old));
    let kept = holder.get(never).await.unwrap();
    assert!(Arc::ptr_eq(&kept, &old));
}

#[tokio::test]
async fn while_one_replaces_a_ticket_that_is_due_the_others_use_it() {
    let holder = holding(ticket(-3600, 59)).await;
    let replacing = holder.get(|| async {
        let meanwhile = holder.get(never).await.unwrap();
        assert!(meanwhile.is_due());
        Ok(fresh())
    });
    assert!(!replacing.await.unwrap().is_due());
}

#[tokio::test]
async fn a_ticket_that_has_ended_is_never_used() {
    let holder = holding(ticket(-3600, 4)).await;
    assert_eq!(holder.get(|| async { Err(refusal()) }).await.unwrap_err(), refusal());
}

#[tokio::test]
async fn those_who_wait_share_the_outcome_good_or_bad() {
    for is_good in [true, false] {
        let holder = OwnTicketHolder::default();
        let calls = Cell::new(0);
        let obtain = || async {
            calls.set(calls.get() + 1);
            tokio::task::yield_now().await;
            if is_good { Ok(fresh()) } else { Err(refusal()) }
        };
        let (one, two, three) = tokio::join!(holder.get(obtain), holder.get(obtain), holder.get(obtain));
        assert!([one, two, three].iter().all(|outcome| outcome.is_ok() == is_good));
        assert_eq!(calls.get(), 1);
    }
}

#[tokio::test]
async fn those_who_wait_do_not_get_a_ticket_that_has_ended_when_its_replacement_fails() {
    let holder = holding(ticket(-3600, 4)).await;
    let obtain = || async {
        tokio::task::yield_now().await;
        Err(refusal())
    };
    let (one, two) = tokio::join!(holder.get(obtain), holder.get(obtain));
    assert_eq!((one.unwrap_err(), two.unwrap_err()), (refusal(), refusal()));
}

#[tokio::test]
async fn a_failure_is_not_held_against_those_who_come_later() {
    let holder = OwnTicketHolder::default();
    holder.get(|| async { Err(refusal()) }).await.unwrap_err();
    holder.get(|| async { Ok(fresh()) }).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_the_work_to_the_next() {
    let holder = OwnTicketHolder::default();
    let given_up = holder.get(std::future::pending::<Result<OwnTicket, ClientError>>);
    let second = async {
        tokio::task::yield_now().await;
        holder.get(|| async { Ok(fresh()) }).await
    };
    let bounded = tokio::time::timeout(Duration::from_millis(20), given_up);
    let (first, second) = tokio::join!(bounded, second);
    assert!(first.is_err());
    second.unwrap();
}

#[tokio::test]
async fn a_refused_ticket_is_replaced_once_however_many_complain() {
    let holder = holding(fresh()).await;
    let refused = holder.current().unwrap();
    let next = holder.replace(&refused, || async { Ok(fresh()) }).await.unwrap();
    let again = holder.replace(&refused, never).await.unwrap();
    assert!(Arc::ptr_eq(&next, &again) && !Arc::ptr_eq(&next, &refused));
}

fn wrong_key() -> ClientError {
    ClientError::KdcRefused {
        stage: Stage::As,
        realm: realm(),
        code: ErrorCode::KDC_ERR_PREAUTH_FAILED,
        status: None,
        text: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_refused_is_not_tried_often_enough_to_lock_the_account() {
    let holder = OwnTicketHolder::default();
    let tries = Cell::new(0);
    let refused = || async {
        tries.set(tries.get() + 1);
        Err(wrong_key())
    };
    for _ in 0..300 {
        assert_eq!(holder.get(refused).await.unwrap_err(), wrong_key());
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(tries.get(), 6, "in ten minutes");
    tokio::time::advance(LONGEST_KEY_PAUSE).await;
    holder.get(|| async { Ok(fresh()) }).await.expect("tried again, and accepted");
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_not_tried_often_while_the_old_ticket_serves() {
    let holder = holding(ticket(-3600, 59)).await;
    let tries = Cell::new(0);
    for _ in 0..300 {
        let refused = || async {
            tries.set(tries.get() + 1);
            Err(wrong_key())
        };
        holder.get(refused).await.expect("the old ticket serves");
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(tries.get(), 6, "in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn any_other_failure_without_a_ticket_is_tried_again_at_once() {
    let holder = OwnTicketHolder::default();
    holder.get(|| async { Err(refusal()) }).await.unwrap_err();
    holder.get(|| async { Ok(fresh()) }).await.expect("tried again");
}

#[tokio::test]
async fn a_ticket_that_is_forgotten_is_obtained_anew_and_another_stays() {
    let holder = holding(fresh()).await;
    holder.forget_if(|_| false);
    let kept = holder.get(never).await.unwrap();
    holder.forget_if(|own| own.authenticated.tgt.ticket().bytes() == kept.authenticated.tgt.ticket().bytes());
    assert!(holder.current().is_none());
    let next = holder.get(|| async { Ok(fresh()) }).await.unwrap();
    assert!(!Arc::ptr_eq(&kept, &next));
}
