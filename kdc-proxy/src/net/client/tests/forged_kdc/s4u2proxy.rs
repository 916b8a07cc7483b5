//! Lies about the ticket in the user's name, which is for another service and not ours to open.

use super::*;
use crate::key::KeyUsage;

refused_at! { Stage::S4u2Proxy;
    #[test]
    fn a_ticket_for_another_class_of_service_on_the_same_host_is_refused() {
        renamed("HTTP/desk1.corp.example") => ReplyError::ServerName,
        renamed("cifs/desk1.corp.example") => ReplyError::ServerName,
        renamed("TERMSRV/desk1") => ReplyError::ServerName,
        renamed("TERMSRV/desk1.corp.example.other") => ReplyError::ServerName,
    }

    #[test]
    fn a_ticket_for_ourselves_is_refused() {
        renamed("HTTP/broker.corp.example") => ReplyError::ServerName,
        renamed("svc-broker") => ReplyError::ServerName,
    }
}

#[tokio::test]
async fn a_ticket_that_outlives_the_evidence_is_refused() {
    let scene = Scene::before(Stage::S4u2Self).await;
    let end = KerberosTime::from_system(system::now() + Duration::from_secs(1800)).unwrap();
    both(part(move |part| part.endtime = end), ticket(move |part| part.endtime = end)).tell(&scene);
    let evidence = Some(scene.client.s4u2self(&user("user1")).await.unwrap());
    scene.be_honest();
    let scene = Scene { evidence, ..scene };
    let longer = part(move |part| part.endtime = later(end, 1));
    assert_eq!(scene.refused(Stage::S4u2Proxy, 1, longer).await, reply(ReplyError::EndTime));
}

/// The outer client is not protected, and the ticket is sealed to the service: what counts is the evidence.
#[tokio::test]
async fn a_ticket_is_labelled_with_the_evidences_user_whoever_the_reply_names() {
    let scene = Scene::before(Stage::S4u2Proxy).await;
    outer(|reply| reply.cname = user("user2").name().into()).tell(&scene);
    assert_eq!(scene.ticket().await.unwrap().client(), &user("user1"));
}

/// Nobody here can see whose name is inside a ticket for another service. Another user's ticket is of no use all the
/// same: its session key is not the one that came with it, and the service asks for proof of the one inside.
#[tokio::test]
async fn another_users_ticket_or_a_swapped_session_key_opens_nothing() {
    let scene = Scene::before(Stage::S4u2Proxy).await;
    let theirs = scene.client.s4u2self(&user("user2")).await.unwrap();
    let theirs = scene.client.s4u2proxy(&theirs, &desk1(), HOUR).await.unwrap().bytes().to_vec();
    let lies = [
        boxed(outer(move |reply| reply.ticket = encoded(&theirs))),
        boxed(part(|part| part.key.keyvalue = vec![7; 32].into())),
    ];
    let service = scene.kdc.lock().account_mut("DESK1$").unwrap().key(Etype::Aes256).cloned().unwrap();
    for lie in lies {
        scene.be_honest();
        lie.tell(&scene);
        scene.client.cache().clear();
        let taken = scene.ticket().await.unwrap();
        let sealed: Ticket = decode(taken.bytes()).unwrap();
        let plain = service.decrypt(KeyUsage::TICKET, &sealed.enc_part.cipher).unwrap();
        let inside: EncTicketPart = decode(&plain).unwrap();
        assert!(!Key::try_from(&inside.key).unwrap().is_same(taken.session_key()));
    }
}
