//! Whole streams, through the real client and server of gRPC, with an acceptor that holds the tickets' known key.

use std::time::SystemTime;

use kdc_proxy::gss::MessageProtection;
use kdc_proxy::gss::testing::Acceptor;
use kdc_proxy::key::{Etype, Key};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code as GrpcCode;
use v1::gateway_client::GatewayClient;

use super::super::tests::{Bench, login_of_refusal, reason};
use super::*;
use crate::handoff::testing::{HTTP, Source, TERMSRV, UNSAFE_KEY};
use crate::logging::testing::Log;

/// A stream, and the acceptor once there is one.
struct Stream {
    requests: mpsc::Sender<v1::InitSecurityContextRequest>,
    responses: Streaming<v1::InitSecurityContextResponse>,
}

impl Stream {
    async fn open(bench: &Bench) -> Result<Self, Status> {
        let (requests, sent) = mpsc::channel(4);
        let mut client = GatewayClient::new(bench.connection("gw1"));
        let opened = client.init_security_context(ReceiverStream::new(sent)).await?;
        Ok(Self { requests, responses: opened.into_inner() })
    }

    async fn ask(&mut self, step: Asked) -> Result<Response, Status> {
        let request = v1::InitSecurityContextRequest { step: Some(step) };
        // A stream that has ended says why when it is read.
        drop(self.requests.send(request).await);
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Response, Status> {
        let response = self.responses.message().await?.expect("a response before the end");
        Ok(response.step.expect("a response holds something"))
    }

    async fn refusal(&mut self, step: Asked) -> String {
        reason(&self.ask(step).await.expect_err("it is refused"))
    }

    /// Makes the context with an acceptor that proves itself.
    async fn establish(&mut self, session: &v1::Session) -> Acceptor {
        let token = match self.ask(Asked::Start(start(session))).await {
            Ok(Response::Token(token)) => token.token.clone(),
            other => panic!("no first token: {other:?}"),
        };
        let key = Key::new(Etype::Aes256, &UNSAFE_KEY).expect("a key");
        let acceptor = Acceptor::open(&token, &key).expect("an AP-REQ");
        match self.ask(token_of(acceptor.neg_token_resp())).await {
            Ok(Response::Established(established)) => {
                assert!(established.token.is_empty());
                let flags =
                    [v1::ContextFlag::Mutual, v1::ContextFlag::Confidentiality, v1::ContextFlag::Integrity];
                assert_eq!(established.flags, flags.map(i32::from));
            }
            other => panic!("not established: {other:?}"),
        }
        acceptor
    }
}

fn start(session: &v1::Session) -> v1::StartContext {
    v1::StartContext {
        session_id: session.session_id.clone(),
        spn: HTTP.to_owned(),
        mechanism: v1::Mechanism::Spnego.into(),
        flags: vec![v1::ContextFlag::Mutual.into(), v1::ContextFlag::Confidentiality.into()],
        channel_bindings: b"tls-exporter:0123456789abcdef0123456789abcdef".to_vec(),
    }
}

fn token_of(token: Vec<u8>) -> Asked {
    Asked::Token(v1::ContextToken { token })
}

fn wrap(message: &[u8], protection: v1::Protection) -> Asked {
    Asked::Wrap(v1::WrapRequest { message: message.to_vec(), protection: protection.into() })
}

fn unwrap(token: Vec<u8>) -> Asked {
    Asked::Unwrap(v1::UnwrapRequest { token })
}

async fn begun() -> (Bench, v1::Session, Stream) {
    let bench = Bench::new(Source::default()).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    let stream = Stream::open(&bench).await.expect("the gateway is known");
    (bench, session, stream)
}

#[tokio::test]
async fn a_context_is_made_and_its_messages_pass_both_ways() {
    let (_bench, session, mut stream) = begun().await;
    let mut acceptor = stream.establish(&session).await;
    for length in [0, 1, 65_536, 131_072] {
        let message = vec![0x5a; length];
        let wrapped = match stream.ask(wrap(&message, v1::Protection::Confidentiality)).await {
            Ok(Response::Wrapped(wrapped)) => wrapped.token,
            other => panic!("not wrapped: {other:?}"),
        };
        let (read, how, _) = acceptor.unwrap(&wrapped).expect("the acceptor reads it");
        assert_eq!((read, how), (message.clone(), MessageProtection::Confidentiality));
        let answer = acceptor.wrap(&message, MessageProtection::Integrity);
        match stream.ask(unwrap(answer)).await {
            Ok(Response::Unwrapped(unwrapped)) => {
                assert_eq!(unwrapped.message, message);
                assert_eq!(unwrapped.protection, i32::from(v1::Protection::Integrity));
            }
            other => panic!("not unwrapped: {other:?}"),
        }
    }
    let mic = match stream.ask(Asked::GetMic(v1::GetMicRequest { message: b"m".to_vec() })).await {
        Ok(Response::Mic(mic)) => mic.token,
        other => panic!("no mic: {other:?}"),
    };
    assert!(acceptor.verify_mic(b"m", &mic).is_some());
    let token = acceptor.get_mic(b"n");
    let verified = stream.ask(Asked::VerifyMic(v1::VerifyMicRequest { message: b"n".to_vec(), token })).await;
    assert!(matches!(verified, Ok(Response::MicVerified(_))), "{verified:?}");
}

#[tokio::test]
async fn a_message_that_was_changed_or_came_before_ends_the_stream() {
    let (_bench, session, mut stream) = begun().await;
    let mut acceptor = stream.establish(&session).await;
    let token = acceptor.wrap(b"message", MessageProtection::Confidentiality);
    stream.ask(unwrap(token.clone())).await.expect("it is new");
    let refused = stream.ask(unwrap(token)).await.expect_err("it came before");
    assert_eq!(
        (refused.code(), reason(&refused)),
        (GrpcCode::PermissionDenied, "CONTEXT_UNTRUSTED".to_owned())
    );
    let next = stream.responses.message().await;
    assert!(!matches!(next, Ok(Some(_))), "nothing follows a refusal: {next:?}");
}

#[tokio::test]
async fn a_service_that_refuses_or_proves_nothing_gets_no_context() {
    for (answer, expected) in [
        (b"HTTP/1.1 403 Forbidden".to_vec(), "CONTEXT_REFUSED"),
        (vec![0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x02], "CONTEXT_REFUSED"),
        (vec![0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x00], "CONTEXT_UNTRUSTED"),
    ] {
        let (_bench, session, mut stream) = begun().await;
        stream.ask(Asked::Start(start(&session))).await.expect("a first token");
        assert_eq!(stream.refusal(token_of(answer)).await, expected);
    }
}

#[tokio::test]
async fn requests_that_are_malformed_or_out_of_turn_are_refused() {
    let bad_starts: [fn(&mut v1::StartContext); 6] = [
        |start| start.session_id.clear(),
        |start| start.spn.clear(),
        |start| start.mechanism = 0,
        |start| start.mechanism = 9,
        |start| start.flags.push(0),
        |start| start.channel_bindings = b"tls-unique:0123456789ab".to_vec(),
    ];
    for change in bad_starts {
        let (_bench, session, mut stream) = begun().await;
        let mut bad = start(&session);
        change(&mut bad);
        let shown = format!("{bad:?}");
        assert_eq!(stream.refusal(Asked::Start(bad)).await, "REQUEST_INVALID", "{shown}");
    }
    let (_bench, session, mut stream) = begun().await;
    assert_eq!(stream.refusal(token_of(vec![1])).await, "REQUEST_INVALID", "{session:?}");

    let established: [fn(&v1::Session, &Acceptor) -> Asked; 4] = [
        |session, _| Asked::Start(start(session)),
        |_, acceptor| token_of(acceptor.neg_token_resp()),
        |_, _| wrap(b"", v1::Protection::Unspecified),
        |_, _| wrap(&vec![0; 131_073], v1::Protection::Integrity),
    ];
    for ask in established {
        let (_bench, session, mut stream) = begun().await;
        let acceptor = stream.establish(&session).await;
        assert_eq!(stream.refusal(ask(&session, &acceptor)).await, "REQUEST_INVALID");
    }
    let (_bench, session, mut stream) = begun().await;
    stream.ask(Asked::Start(start(&session))).await.expect("a first token");
    assert_eq!(stream.refusal(wrap(b"early", v1::Protection::Integrity)).await, "REQUEST_INVALID");
}

#[tokio::test]
async fn a_message_beyond_the_interfaces_limit_is_refused_before_it_is_taken_in() {
    let (_bench, session, mut stream) = begun().await;
    stream.establish(&session).await;
    assert_eq!(stream.refusal(wrap(&vec![0; 200_000], v1::Protection::Integrity)).await, "REQUEST_INVALID");
}

#[tokio::test]
async fn an_unknown_session_and_a_service_that_is_not_granted_give_no_context() {
    let (_bench, session, mut stream) = begun().await;
    let unknown = v1::StartContext { session_id: "A".repeat(22), ..start(&session) };
    assert_eq!(stream.refusal(Asked::Start(unknown)).await, "SESSION_UNKNOWN");
    let (_bench, session, mut stream) = begun().await;
    let foreign = v1::StartContext { spn: "cifs/desk1.corp.example".to_owned(), ..start(&session) };
    assert_eq!(stream.refusal(Asked::Start(foreign)).await, "SERVICE_NOT_GRANTED");
}

#[tokio::test]
async fn the_end_of_the_session_closes_its_contexts() {
    let (bench, session, mut stream) = begun().await;
    stream.establish(&session).await;
    bench.end("gw1", &session).await.expect("the session is alive");
    let refused = stream.answer().await.expect_err("the stream is closed");
    assert_eq!((refused.code(), reason(&refused)), (GrpcCode::NotFound, "SESSION_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn a_gateway_that_is_no_longer_configured_is_not_served_on_the_streams_it_has() {
    let (bench, session, mut stream) = begun().await;
    stream.establish(&session).await;
    bench.known.send_replace(Arc::default());
    assert_eq!(stream.refusal(wrap(b"m", v1::Protection::Integrity)).await, "GATEWAY_UNKNOWN");
}

#[tokio::test]
async fn a_gateway_has_no_more_contexts_than_it_may_and_gets_the_places_back() {
    let bench = Bench::new(Source::default()).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = Stream::open(&bench).await.expect("there is room");
        stream.establish(&session).await;
        kept.push(stream);
    }
    let refused = Stream::open(&bench).await.map(drop).expect_err("there is none left");
    assert_eq!((refused.code(), reason(&refused)), (GrpcCode::ResourceExhausted, "OVERLOADED".to_owned()));
    drop(kept.pop());
    let deadline = Duration::from_secs(10);
    let opened = timeout(deadline, async {
        loop {
            match Stream::open(&bench).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    opened.await.expect("the place is given back");
}

#[tokio::test]
async fn silence_ends_a_stream_sooner_while_it_is_made() {
    let (_bench, session, mut stream) = begun().await;
    assert_eq!(reason(&stream.answer().await.expect_err("nothing was asked")), "DEADLINE_EXCEEDED");
    let (_bench, _, mut stream) = begun().await;
    stream.ask(Asked::Start(start(&session))).await.expect_err("a session of another bench");

    let (_bench, session, mut stream) = begun().await;
    stream.ask(Asked::Start(start(&session))).await.expect("a first token");
    let began: SystemTime = clock::now();
    assert_eq!(reason(&stream.answer().await.expect_err("the service is silent")), "DEADLINE_EXCEEDED");
    assert!(began.elapsed().expect("time passes") >= Duration::from_millis(190));

    let (_bench, session, mut stream) = begun().await;
    stream.establish(&session).await;
    assert_eq!(reason(&stream.answer().await.expect_err("the gateway is silent")), "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn the_end_of_the_service_closes_all_contexts() {
    let (bench, session, mut stream) = begun().await;
    stream.establish(&session).await;
    bench.drain.cancel();
    let refused = stream.answer().await.expect_err("the stream is closed");
    assert_eq!((refused.code(), reason(&refused)), (GrpcCode::Unavailable, "SERVICE_ENDING".to_owned()));
}

#[tokio::test]
async fn a_first_service_is_served_from_the_login_and_another_mechanism_too() {
    let (_bench, session, mut stream) = begun().await;
    let asked = v1::StartContext {
        spn: TERMSRV.to_owned(),
        mechanism: v1::Mechanism::Kerberos.into(),
        flags: vec![v1::ContextFlag::Integrity.into()],
        ..start(&session)
    };
    match stream.ask(Asked::Start(asked)).await {
        // Without mutual authentication there is nothing to wait for.
        Ok(Response::Established(established)) => {
            assert_eq!(established.token.first(), Some(&0x60));
            let expires_at = SystemTime::try_from(established.expires_at.expect("it ends")).expect("a time");
            assert!(expires_at > clock::now());
        }
        other => panic!("not established: {other:?}"),
    }
}

#[tokio::test]
async fn a_context_that_cannot_be_begun_is_logged_with_the_login_it_belongs_to() {
    let bench = Bench::new(Source { refuses: true, ..Source::default() }).await;
    let session = bench.redeem("gw1").await.expect("the code is good");
    let log = Log::default();
    let _capturing = log.capture();
    let mut stream = Stream::open(&bench).await.expect("the stream is taken");
    stream.refusal(Asked::Start(start(&session))).await;
    assert_eq!(login_of_refusal(&log), session.login_id);
}
