//! A forged KDC behind a real port: whatever it answers, it gets nothing but a typed error.
//!
//! It is a KDC in memory that knows every key, and so can lie where nobody else could; a stranger on the way can do no
//! more than change the octets. Each lie is told to a client that is otherwise served honestly. What must hold of every
//! one of them is checked in [`Scene::refused`]: the error that the test names, not one request more than the honest
//! exchange has, nothing kept of the lie, and the next honest answer taken.

/// The table of lies: what the KDC says, and the error that it gets. Each row is a test at each stage.
macro_rules! refused_at_every_stage {
    ($(#[test] fn $case:ident() { $($lie:expr => $expected:expr),+ $(,)? })+) => {$(
        mod $case {
            use super::*;

            async fn at(stage: Stage) {
                $(assert_eq!(refused(stage, $lie).await, reply($expected));)+
            }

            #[tokio::test]
            async fn at_as_exchange() {
                at(Stage::As).await;
            }

            #[tokio::test]
            async fn at_tgs_exchange() {
                at(Stage::Tgs).await;
            }

            #[tokio::test]
            async fn at_s4u2self() {
                at(Stage::S4u2Self).await;
            }

            #[tokio::test]
            async fn at_s4u2proxy() {
                at(Stage::S4u2Proxy).await;
            }
        }
    )+};
}

/// The same for lies that can be told at one stage only.
macro_rules! refused_at {
    ($stage:expr; $(#[test] fn $case:ident() { $($lie:expr => $expected:expr),+ $(,)? })+) => {$(
        #[tokio::test]
        async fn $case() {
            $(assert_eq!(refused($stage, $lie).await, reply($expected));)+
        }
    )+};
}

mod as_exchange;
mod evidence;
mod frames;
mod krb_error;
mod pac;
mod referrals;
mod replies;
mod s4u2proxy;

use std::sync::LazyLock;

use super::loopback::{AS_REQ, Answer, Port, TGS_REQ, framed};
use super::*;
use crate::error::ReplyError;
use crate::exchange::realms::TrustedRealms;
use crate::exchange::tgs_exchange::{TgsAsk, TgsExchange};
use crate::message::kdc_rep::{EncKdcRepPart, KdcRep};
use crate::message::types::{EncTicketPart, Ticket, decode, encode, encoded};
use crate::testing::Hooks;
use crate::time::KerberosTime;

const HOUR: Duration = Duration::from_secs(3600);
const STAGES: [Stage; 4] = [Stage::As, Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy];

type ChangedFrame = Box<dyn Fn(&[u8]) -> Answer + Send>;

/// A client, the KDC it believes in, and the evidence where it has some.
struct Scene {
    kdc: SharedKdc,
    port: Port,
    /// What is sent in place of the reply and its length.
    frame: Arc<Mutex<Option<ChangedFrame>>>,
    /// Every reply as the KDC made it.
    replies: Arc<Mutex<Vec<Vec<u8>>>>,
    settings: Settings,
    client: Client,
    evidence: Option<Arc<Evidence>>,
}

impl Scene {
    /// A client that has everything that comes before `stage`.
    async fn before(stage: Stage) -> Self {
        Self::patient(stage, Duration::from_secs(20)).await
    }

    /// The same; a round with the KDC may take so long.
    async fn patient(stage: Stage, exchange_timeout: Duration) -> Self {
        let (kdc, frame, replies) = (shared(), Arc::<Mutex<Option<ChangedFrame>>>::default(), Arc::default());
        let (answering, changed, seen) = (kdc.clone(), Arc::clone(&frame), Arc::clone(&replies));
        let port = Port::open(move |request| {
            let reply = answering.lock().answer(request, system::now(), &mut system::random());
            let answer = match &*changed.lock().unwrap() {
                Some(change) => change(&reply),
                None => framed(&reply).into(),
            };
            let seen: &Mutex<Vec<Vec<u8>>> = &seen;
            seen.lock().unwrap().push(reply);
            answer
        })
        .await;
        let settings = Settings { exchange_timeout, ..settings(vec![port.address.clone()]) };
        let client = broker(&settings);
        let mut scene = Self { kdc, port, frame, replies, settings, client, evidence: None };
        scene.begin_anew(stage).await;
        scene
    }

    /// Puts another client in the place of the first, with what comes before `stage`.
    async fn begin_anew(&mut self, stage: Stage) {
        self.client = broker(&self.settings);
        if stage != Stage::As {
            self.client.service_tgt().await.unwrap();
        }
        if stage == Stage::S4u2Proxy {
            self.evidence = Some(self.client.s4u2self(&user("user1")).await.unwrap());
        }
    }

    /// Goes through one stage.
    async fn run(&self, stage: Stage) -> Result<(), ClientError> {
        match stage {
            Stage::As => self.client.service_tgt().await.map(drop),
            Stage::Tgs => self.tgs().await.map(drop),
            Stage::S4u2Self => self.client.s4u2self(&user("user1")).await.map(drop),
            Stage::S4u2Proxy => self.ticket().await.map(drop),
        }
    }

    async fn tgs(&self) -> Result<ServiceTicket, ClientError> {
        let own = self.client.own_ticket().await?;
        let exchange = self.client.kdcs.run(Stage::Tgs, |now, rng| {
            let ask = TgsAsk {
                tgt: own.authenticated.tgt.clone(),
                server: desk1(),
                etypes: self.client.settings.etypes(),
                lifetime: HOUR,
                clock: own.clock(self.client.settings.max_clock_offset),
                trusted: TrustedRealms::default(),
            };
            TgsExchange::start(ask, now, rng)
        });
        Ok(exchange.await?.0.ticket)
    }

    async fn ticket(&self) -> Result<Arc<ServiceTicket>, ClientError> {
        self.client.s4u2proxy(self.evidence.as_ref().unwrap(), &desk1(), HOUR).await
    }

    /// How many requests came.
    fn requests(&self) -> usize {
        self.port.count(AS_REQ) + self.port.count(TGS_REQ)
    }

    /// The last reply that the KDC made.
    fn last_reply(&self) -> Vec<u8> {
        self.replies.lock().unwrap().last().unwrap().clone()
    }

    fn be_honest(&self) {
        let mut kdc = self.kdc.lock();
        kdc.hooks = Hooks::default();
        kdc.set_clock_ahead(Duration::ZERO);
        *self.frame.lock().unwrap() = None;
    }

    /// That the client has nothing that `stage` would have given it.
    fn assert_nothing_kept(&self, stage: Stage) {
        let (client, now) = (&self.client, system::now());
        match stage {
            Stage::As => assert!(client.own.current().is_none(), "a ticket-granting ticket was kept"),
            Stage::Tgs => {}
            Stage::S4u2Self => {
                assert!(client.cache().evidence(&user("user1"), now).is_none(), "evidence was kept");
            }
            Stage::S4u2Proxy => {
                let key = ServiceKey { service: desk1(), lifetime: HOUR };
                let kept = client.cache().ticket(&user("user1"), |_| true, &key, now);
                assert!(kept.is_none(), "a ticket was kept");
            }
        }
    }

    /// Tells a lie at `stage` and returns what the client says to it after `requests` requests.
    async fn refused(&self, stage: Stage, requests: usize, lie: impl Lie) -> ClientError {
        let before = self.requests();
        lie.tell(self);
        let error = self.run(stage).await.expect_err("a lie is no answer");
        assert_eq!(self.requests() - before, requests, "requests until: {error}");
        self.assert_nothing_kept(stage);
        self.be_honest();
        if let Err(error) = self.run(stage).await {
            panic!("the next honest answer is refused: {error}");
        }
        error
    }
}

fn broker(settings: &Settings) -> Client {
    // The key as such: a password would cost a derivation for each of the many clients.
    static KEY: LazyLock<Key> = LazyLock::new(|| {
        Key::from_password(Etype::Aes256, PASSWORD, b"CORP.EXAMPLEsvc-broker", None).unwrap()
    });
    let mut keytab = Keytab::default();
    keytab.push(user("svc-broker"), 3, 0, KEY.clone());
    Client::new(settings.clone(), Credential::Keytab(keytab)).unwrap()
}

/// Something that makes the KDC of a scene lie.
trait Lie {
    fn tell(self, scene: &Scene);
}

impl<F: FnOnce(&Scene)> Lie for F {
    fn tell(self, scene: &Scene) {
        self(scene);
    }
}

/// What the client says to a lie at `stage`. It makes all the requests of an honest exchange and no more: two of an AS
/// exchange, one of another.
async fn refused(stage: Stage, lie: impl Lie) -> ClientError {
    let requests = if stage == Stage::As { 2 } else { 1 };
    Scene::before(stage).await.refused(stage, requests, lie).await
}

/// The same, for a lie that ends the exchange after so many requests.
async fn refused_after(requests: usize, stage: Stage, lie: impl Lie) -> ClientError {
    Scene::before(stage).await.refused(stage, requests, lie).await
}

/// The error of a reply that failed a check.
fn reply(error: impl Into<ReplyError>) -> ClientError {
    ClientError::ReplyRefused(error.into())
}

fn desk1() -> PrincipalName {
    name("TERMSRV/desk1.corp.example")
}

/// The time so many seconds later.
fn later(time: KerberosTime, seconds: u32) -> KerberosTime {
    KerberosTime::from_unix_seconds(time.unix_seconds() + seconds)
}

fn part(change: impl Fn(&mut EncKdcRepPart) + Send + 'static) -> impl Lie {
    |scene: &Scene| scene.kdc.lock().hooks.part = Some(Box::new(change))
}

fn ticket(change: impl Fn(&mut EncTicketPart) + Send + 'static) -> impl Lie {
    |scene: &Scene| scene.kdc.lock().hooks.ticket = Some(Box::new(change))
}

fn outer(change: impl Fn(&mut KdcRep) + Send + 'static) -> impl Lie {
    |scene: &Scene| scene.kdc.lock().hooks.reply = Some(Box::new(change))
}

/// Changes the ticket around its encrypted part.
fn sealed(change: impl Fn(&mut Ticket) + Send + 'static) -> impl Lie {
    outer(move |reply| {
        let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
        change(&mut ticket);
        reply.ticket = encoded(&encode(&ticket));
    })
}

/// Changes the octets of a reply that is no error.
fn octets(change: impl Fn(&mut Vec<u8>) + Send + 'static) -> impl Lie {
    |scene: &Scene| {
        scene.kdc.lock().hooks.bytes = Some(Box::new(move |bytes: &mut Vec<u8>| {
            if matches!(bytes.first(), Some(0x6b | 0x6d)) {
                change(bytes);
            }
        }));
    }
}

/// For lies that stand in a list.
fn boxed(lie: impl Lie + 'static) -> Box<dyn FnOnce(&Scene)> {
    Box::new(|scene: &Scene| lie.tell(scene))
}

/// Two lies at once.
fn both(one: impl Lie, other: impl Lie) -> impl Lie {
    |scene: &Scene| {
        one.tell(scene);
        other.tell(scene);
    }
}

/// Ticket and encrypted part name another server, as a KDC would have it that means it.
fn renamed(server: &'static str) -> impl Lie {
    both(
        part(move |part| part.sname = (&name(server)).into()),
        sealed(move |ticket| ticket.sname = (&name(server)).into()),
    )
}
