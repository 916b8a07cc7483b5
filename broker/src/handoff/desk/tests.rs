use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use super::super::testing::{HTTP, SETTINGS, Source, TERMSRV, Told, at, open, opening};
use super::*;
use crate::entropy;

const CACHE: Form = Form::CCache { freerdp_placeholder: false };

fn desk(source: Source) -> Desk<Source> {
    Desk::new(SETTINGS, Arc::new(source))
}

/// A desk with one redeemed session of `gw1` that ends at second 1000.
fn with_session(source: Source) -> (Desk<Source>, Zeroizing<String>) {
    let desk = desk(source);
    let handoff = open(&desk, at(5000), at(0));
    let redeemed = desk.redeem(&handoff.code(), "gw1", at(1), &mut entropy::system());
    let (id, _) = redeemed.expect("the code is good");
    (desk, id.text())
}

async fn issue(
    desk: &Desk<Source>,
    id: &str,
    spn: &str,
    second: u64,
) -> Result<Credential, IssueTicketError<Told>> {
    issue_by(desk, id, spn, || at(second)).await
}

/// As [`issue`], by a clock that may move meanwhile.
async fn issue_by(
    desk: &Desk<Source>,
    id: &str,
    spn: &str,
    clock: impl Fn() -> SystemTime + Send,
) -> Result<Credential, IssueTicketError<Told>> {
    let call = Call { session_id: id, gateway: "gw1", spn, answer_by: crate::clock::instant() };
    desk.issue_ticket(&call, CACHE, clock, &mut entropy::system()).await
}

fn asked(desk: &Desk<Source>) -> usize {
    desk.source.asked.load(Ordering::SeqCst)
}

#[test]
fn a_handoff_tells_the_code_its_time_and_the_person() {
    let handoff = open(&desk(Source::default()), at(5000), at(0));
    assert_eq!(handoff.code().len(), 43);
    assert_eq!(handoff.expires_in(), Duration::from_secs(60));
    assert_eq!((handoff.gateway(), handoff.subject().upn.as_str()), ("gw1", "alice@corp.example"));
    assert!(!format!("{handoff:?}").contains(handoff.code().as_str()));
}

#[test]
fn a_session_lives_no_longer_than_settings_and_login_allow() {
    for (offered, ends) in [(5000, 1000), (300, 300)] {
        let desk = desk(Source::default());
        let handoff = open(&desk, at(offered), at(0));
        let redeemed = desk.redeem(&handoff.code(), "gw1", at(1), &mut entropy::system());
        assert_eq!(redeemed.expect("the code is good").1.expires_at, at(ends));
    }
}

#[test]
fn a_code_lives_no_longer_than_its_session() {
    let handoff = open(&desk(Source::default()), at(20), at(0));
    assert_eq!(handoff.expires_in(), Duration::from_secs(20));
}

#[test]
fn a_session_that_would_be_over_is_not_opened() {
    let desk = desk(Source::default());
    let refused = desk.open(opening(at(10)), at(10), &mut entropy::system());
    assert_eq!(refused.err(), Some(HandOffError::NoTimeLeft { end: at(10), with: EndsWith::Evidence }));
    assert_eq!(desk.sweep(at(10)), Census::default());
}

#[test]
fn a_refusal_for_lack_of_time_names_the_end_that_came_first() {
    let desk =
        Desk::new(Settings { session_lifetime: Duration::ZERO, ..SETTINGS }, Arc::new(Source::default()));
    let refused = desk.open(opening(at(5000)), at(0), &mut entropy::system()).expect_err("no time at all");
    assert_eq!(refused, HandOffError::NoTimeLeft { end: at(0), with: EndsWith::Configuration });
    assert_eq!(
        refused.to_string(),
        "the session would have ended at 2027-01-15T08:00:00Z with handoff.session_lifetime, before it began"
    );
}

#[test]
fn one_person_cannot_fill_the_desk_for_the_others() {
    let desk = desk(Source::default());
    for _ in 0..2 {
        open(&desk, at(5000), at(0));
    }
    let refused = desk.open(opening(at(5000)), at(0), &mut entropy::system());
    assert_eq!(refused.err(), Some(HandOffError::TooManyCodesOfPerson { limit: 2 }));
    let mut others = opening(at(5000));
    others.facts.subject.sid = "S-1-5-21-1-2-3-1104".to_owned();
    desk.open(others, at(0), &mut entropy::system()).expect("another person has logged in nowhere");
}

#[test]
fn a_malformed_code_is_refused_as_such() {
    let desk = desk(Source::default());
    let refused = desk.redeem("not a code", "gw1", at(0), &mut entropy::system());
    assert_eq!(refused.err(), Some(RedeemError::Malformed));
}

#[tokio::test]
async fn the_first_service_is_served_without_asking_again() {
    let (desk, id) = with_session(Source::default());
    let credential = issue(&desk, &id, TERMSRV, 2).await.expect("the service is granted");
    assert_eq!((credential.spn(), asked(&desk)), (TERMSRV, 0));
}

#[tokio::test]
async fn a_further_service_is_asked_for_once_and_kept() {
    let (desk, id) = with_session(Source::default());
    assert_eq!(asked(&desk), 0);
    let first = issue(&desk, &id, HTTP, 2).await.expect("the service is granted");
    let second = issue(&desk, &id, HTTP, 3).await.expect("the service is granted");
    assert_eq!((first.expires_at(), asked(&desk)), (second.expires_at(), 1));
}

#[tokio::test]
async fn the_name_of_a_service_is_matched_without_regard_to_case() {
    let (desk, id) = with_session(Source::default());
    let credential =
        issue(&desk, &id, "termsrv/DESK1.corp.example", 2).await.expect("the service is granted");
    assert_eq!(credential.spn(), TERMSRV);
}

#[tokio::test]
async fn a_service_that_is_not_granted_is_refused_without_asking() {
    let (desk, id) = with_session(Source::default());
    for spn in ["cifs/desk1.corp.example", "TERMSRV/desk2.corp.example", "TERMSRV", "krbtgt/CORP.EXAMPLE", ""]
    {
        let refused = issue(&desk, &id, spn, 2).await.expect_err("the service is not granted");
        assert!(matches!(refused, IssueTicketError::NotGranted), "{spn}: {refused}");
    }
    assert_eq!(asked(&desk), 0);
}

#[tokio::test]
async fn a_form_that_the_policies_do_not_allow_is_refused_without_asking() {
    let desk = desk(Source::default());
    let mut opening = opening(at(5000));
    opening.facts.obligations.handover = Some([HandoverForm::CCache].into());
    let handoff = desk.open(opening, at(0), &mut entropy::system()).expect("the desk has room");
    let redeemed = desk.redeem(&handoff.code(), "gw1", at(1), &mut entropy::system());
    let (id, _) = redeemed.expect("the code is good");
    let id = id.text();
    for form in [Form::SpnegoToken(None), Form::KrbCred(None)] {
        let call = Call { session_id: &id, gateway: "gw1", spn: HTTP, answer_by: crate::clock::instant() };
        let refused = desk.issue_ticket(&call, form, || at(2), &mut entropy::system()).await;
        assert!(matches!(refused, Err(IssueTicketError::FormNotAllowed { .. })), "{refused:?}");
    }
    let call = Call { session_id: &id, gateway: "gw1", spn: HTTP, answer_by: crate::clock::instant() };
    let asked_for = ContextRequest {
        mechanism: kdc_proxy::gss::Mechanism::Spnego,
        flags: kdc_proxy::gss::ContextFlags::default(),
        binding: None,
    };
    let refused = desk.init_security_context(&call, &asked_for, || at(2), &mut entropy::system()).await;
    assert!(matches!(refused, Err(IssueTicketError::FormNotAllowed { .. })));
    assert_eq!(asked(&desk), 0);
    issue(&desk, &id, HTTP, 2).await.expect("the form that is left");
}

#[tokio::test]
async fn many_calls_for_one_service_ask_once() {
    let (desk, id) = with_session(Source { permits: tokio::sync::Semaphore::new(0), ..Source::default() });
    let calls = async {
        let (one, two, three) =
            tokio::join!(issue(&desk, &id, HTTP, 2), issue(&desk, &id, HTTP, 2), issue(&desk, &id, HTTP, 2));
        [one, two, three].map(|issued| issued.expect("the service is granted").expires_at())
    };
    let (ends, ()) = tokio::join!(calls, async { desk.source.permits.add_permits(1) });
    assert_eq!((asked(&desk), ends[0], ends[1]), (1, ends[1], ends[2]));
}

#[tokio::test]
async fn a_call_that_is_dropped_lets_the_next_one_ask() {
    let (desk, id) = with_session(Source { permits: tokio::sync::Semaphore::new(0), ..Source::default() });
    let dropped = tokio::time::timeout(Duration::from_millis(1), issue(&desk, &id, HTTP, 2)).await;
    assert!(dropped.is_err(), "nobody answered it");
    desk.source.permits.add_permits(1);
    issue(&desk, &id, HTTP, 2).await.expect("the next call is answered");
    assert_eq!(asked(&desk), 2);
}

#[tokio::test]
async fn a_refused_service_may_be_asked_for_again() {
    let (desk, id) = with_session(Source { refuses: true, ..Source::default() });
    for _ in 0..2 {
        let refused = issue(&desk, &id, HTTP, 2).await.expect_err("the source refuses");
        assert!(matches!(refused, IssueTicketError::Ticket(Told)));
    }
    assert_eq!(asked(&desk), 2);
}

#[tokio::test]
async fn a_session_that_ends_while_the_ticket_is_asked_for_gives_none() {
    let (desk, id) = with_session(Source { permits: tokio::sync::Semaphore::new(0), ..Source::default() });
    let (issued, ()) = tokio::join!(issue(&desk, &id, HTTP, 2), async {
        desk.end(&id, "gw1", at(3)).expect("the session is alive");
        desk.source.permits.add_permits(1);
    });
    assert!(matches!(issued, Err(IssueTicketError::Session(SessionError::Unknown))));
    assert_eq!(asked(&desk), 1, "the ticket was under way when the session ended");
}

#[tokio::test]
async fn a_ticket_about_to_end_is_replaced() {
    let (desk, id) = with_session(Source { lifetime: Duration::from_secs(500), ..Source::default() });
    issue(&desk, &id, HTTP, 2).await.expect("the service is granted");
    issue(&desk, &id, HTTP, 439).await.expect("61 s before its end it is still good");
    assert_eq!(asked(&desk), 1);
    issue(&desk, &id, HTTP, 441).await.expect("the service is granted");
    assert_eq!(asked(&desk), 2);
}

#[tokio::test]
async fn no_ticket_is_asked_for_longer_than_the_session_lives() {
    let (desk, id) = with_session(Source::default());
    let credential = issue(&desk, &id, HTTP, 400).await.expect("the service is granted");
    // The source counts from second 0: the session had 600 s left.
    assert_eq!(credential.expires_at(), at(600));
}

#[tokio::test]
async fn the_time_a_call_waited_for_its_turn_is_not_given_to_its_ticket() {
    let (desk, id) = with_session(Source { permits: tokio::sync::Semaphore::new(0), ..Source::default() });
    let second = AtomicU64::new(400);
    // The first call, at second 400, is dropped while it asks; the one behind it gets its turn at second 415.
    let mut first = Box::pin(issue(&desk, &id, HTTP, 400));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    let mut behind = Box::pin(issue_by(&desk, &id, HTTP, || at(second.load(Ordering::SeqCst))));
    assert!(behind.as_mut().poll(&mut context).is_pending());
    second.store(415, Ordering::SeqCst);
    drop(first);
    desk.source.permits.add_permits(1);
    let credential = behind.await.expect("the service is granted");
    // The source counts from second 0, and a second less for every question: the session had 585 s left.
    assert_eq!(credential.expires_at(), at(584));
}

#[tokio::test]
async fn a_session_that_expires_while_the_ticket_is_asked_for_gives_none() {
    let (desk, id) = with_session(Source { permits: tokio::sync::Semaphore::new(0), ..Source::default() });
    let second = AtomicU64::new(999);
    let clock = || at(second.load(Ordering::SeqCst));
    let (issued, ()) = tokio::join!(issue_by(&desk, &id, HTTP, clock), async {
        second.store(1000, Ordering::SeqCst);
        desk.source.permits.add_permits(1);
    });
    assert!(matches!(issued, Err(IssueTicketError::Session(SessionError::Unknown))));
}

#[tokio::test]
async fn an_ended_session_serves_nothing() {
    let (desk, id) = with_session(Source::default());
    let facts = desk.end(&id, "gw1", at(2)).expect("the session is alive");
    assert_eq!(facts.login_id, "0123456789abcdef");
    let refused = issue(&desk, &id, TERMSRV, 2).await.expect_err("the session has ended");
    assert!(matches!(refused, IssueTicketError::Session(SessionError::Unknown)));
    assert_eq!(desk.end(&id, "gw1", at(2)), Err(SessionError::Unknown));
}

#[tokio::test]
async fn an_expired_session_serves_nothing() {
    let (desk, id) = with_session(Source::default());
    let refused = issue(&desk, &id, TERMSRV, 1000).await.expect_err("the session is over");
    assert!(matches!(refused, IssueTicketError::Session(SessionError::Unknown)));
}

#[tokio::test]
async fn another_gateway_is_refused_the_session() {
    let (desk, id) = with_session(Source::default());
    let call = Call { session_id: &id, gateway: "gw2", spn: TERMSRV, answer_by: crate::clock::instant() };
    let refused = desk.issue_ticket(&call, CACHE, || at(2), &mut entropy::system()).await;
    assert!(matches!(refused, Err(IssueTicketError::Session(SessionError::WrongGateway { .. }))));
}
