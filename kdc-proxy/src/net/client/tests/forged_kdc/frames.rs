//! Frames that are cut off, too long or no message at all, at every stage.

use super::*;
use crate::message::MAX_MESSAGE_LENGTH;
use crate::net::transport::TransportError;

/// So long a round may take where none will be finished.
const SHORT: Duration = Duration::from_secs(2);

fn frame(change: impl Fn(&[u8]) -> Answer + Send + 'static) -> impl Lie {
    |scene: &Scene| *scene.frame.lock().unwrap() = Some(Box::new(change))
}

/// The reply is announced, `sent` octets of the frame are sent, and the connection is closed.
fn cut_off(sent: usize) -> impl Lie {
    frame(move |reply| {
        let mut octets = framed(reply);
        octets.truncate(sent.min(octets.len() - 1));
        Answer { octets, closes: true }
    })
}

/// Another message in the place of the reply, in a sound frame.
fn message(change: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> impl Lie {
    frame(move |reply| framed(&change(reply)).into())
}

fn announced(length: u32) -> impl Lie {
    frame(move |_| length.to_be_bytes().to_vec().into())
}

/// What a client says to a lie in the first reply of a stage.
async fn first(stage: Stage, lie: impl Lie) -> ClientError {
    refused_after(1, stage, lie).await
}

fn only_failure(error: ClientError) -> AttemptFailure {
    let ClientError::KdcUnavailable { attempts } = error else { panic!("{error}") };
    let [attempt] = attempts.as_slice() else { panic!("{attempts:?}") };
    attempt.failure
}

#[tokio::test]
async fn a_frame_that_is_cut_off_is_no_answer() {
    let expected = TransportError::Broken(std::io::ErrorKind::UnexpectedEof).into();
    for stage in STAGES {
        for sent in [0, 1, 3, 4, 5, 100, usize::MAX] {
            assert_eq!(only_failure(first(stage, cut_off(sent)).await), expected, "{stage}: {sent}");
        }
    }
}

async fn hangs(stage: Stage) {
    let scene = Scene::patient(stage, SHORT).await;
    let before = scene.requests();
    frame(|reply| framed(reply)[..50].to_vec().into()).tell(&scene);
    let error = scene.run(stage).await.unwrap_err();
    assert_eq!(only_failure(error), TransportError::ExchangeTimeout.into(), "{stage}");
    assert_eq!(scene.requests() - before, 1);
    scene.assert_nothing_kept(stage);
}

#[tokio::test]
async fn a_frame_that_never_ends_costs_no_more_than_the_deadline() {
    tokio::join!(hangs(Stage::As), hangs(Stage::Tgs), hangs(Stage::S4u2Self), hangs(Stage::S4u2Proxy));
}

#[tokio::test]
async fn an_over_long_or_empty_frame_is_refused_by_its_length() {
    for stage in STAGES {
        for length in [0, 131_073, 0x8000_0000, 0x8000_0010, u32::MAX] {
            assert_eq!(
                first(stage, announced(length)).await,
                reply(ReplyError::Malformed),
                "{stage}: {length}"
            );
        }
    }
}

#[tokio::test]
async fn a_frame_that_holds_more_or_less_than_the_message_is_refused() {
    for stage in STAGES {
        let longer = message(|reply| [reply, &[0]].concat());
        assert_eq!(first(stage, longer).await, reply(ReplyError::Malformed), "{stage}");
        let doubled = message(|reply| [reply, reply].concat());
        assert_eq!(first(stage, doubled).await, reply(ReplyError::Malformed), "{stage}");
        for less in [1, 10, 100] {
            let shorter = message(move |reply| reply[..reply.len() - less].to_vec());
            assert_eq!(first(stage, shorter).await, reply(ReplyError::Malformed), "{stage}: {less}");
        }
    }
}

#[tokio::test]
async fn a_full_frame_of_anything_is_refused() {
    for stage in STAGES {
        for octet in [0x00, 0x30, 0x6b, 0x6d, 0x7e, 0xff] {
            let lie = message(move |_| vec![octet; MAX_MESSAGE_LENGTH]);
            assert_eq!(first(stage, lie).await, reply(ReplyError::Malformed), "{stage}: {octet:#x}");
        }
    }
}

/// Forty thousand values, each inside the one before: a reader that calls itself for each would run out of stack.
#[tokio::test]
async fn a_message_nested_without_end_is_refused() {
    for stage in STAGES {
        for (outer, inner) in [(0x6b, 0x30), (0x6d, 0x30), (0x7e, 0x30), (0x6d, 0xa5)] {
            let lie = message(move |_| {
                let mut nested = Vec::new();
                for _ in 0..32_000 {
                    let length = u32::try_from(nested.len()).unwrap().to_be_bytes();
                    nested.extend([length[3], length[2], length[1], 0x83, inner]);
                    if nested.len() + 8 > MAX_MESSAGE_LENGTH {
                        break;
                    }
                }
                nested.reverse();
                let length = u32::try_from(nested.len()).unwrap().to_be_bytes();
                [&[outer, 0x83][..], &length[1..], &nested].concat()
            });
            assert_eq!(first(stage, lie).await, reply(ReplyError::Malformed), "{stage}");
        }
    }
}

#[tokio::test]
async fn the_request_itself_is_no_reply() {
    for stage in STAGES {
        let tag = if stage == Stage::As { 0x6a } else { 0x6c };
        let lie = message(move |reply| [&[tag], &reply[1..]].concat());
        assert_eq!(first(stage, lie).await, reply(ReplyError::Malformed), "{stage}");
    }
}

#[tokio::test]
async fn behind_a_kdc_that_cuts_off_its_frames_another_one_answers() {
    let kdc = shared();
    let broken = Port::open(|_| Answer { octets: vec![0, 0, 1, 0, 0x6b], closes: true }).await;
    let sound = kdc.port().await;
    let client = client(vec![broken.address.clone(), sound.address.clone()]);
    assert_eq!(client.service_tgt().await.unwrap().kdc, sound.address);
    client.s4u2self(&user("user1")).await.unwrap();
}
