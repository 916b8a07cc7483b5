//! The exchanges against the KDC in memory: what succeeds, and every check with the lie it is there for.

mod as_exchange;
mod keys;
mod kpasswd;
mod preauthentication;
mod realms;
mod s4u2proxy;
mod s4u2self;
mod samba;
mod tgs_exchange;

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::as_exchange::{AsAsk, AsExchange, Authenticated};
use super::realms::TrustedRealms;
use super::s4u2proxy::{Delegated, S4u2Proxy, S4u2ProxyAsk};
use super::s4u2self::{Evidence, S4u2Self, S4u2SelfAsk};
use super::secret::{LongTermKeys, Secret, Trials};
use super::tgs_exchange::{TgsAsk, TgsExchange};
use super::*;
use crate::key::{Etype, EtypeList, Key};
use crate::keytab::Keytab;
use crate::principal::{Principal, PrincipalName};
use crate::testing::{Account, Kdc};
use crate::ticket::ServiceTicket;
use crate::time::{ClockOffset, KerberosTime};

const PASSWORD: &str = "unsafe Pässw0rd";

/// A domain with a broker, two users and three computers, and a client of it.
struct Lab {
    kdc: Kdc,
    rng: ChaCha20Rng,
    now: SystemTime,
    clock: Clock,
    etypes: EtypeList,
    trials: Trials,
    sent: Vec<Vec<u8>>,
}

fn name(text: &str) -> PrincipalName {
    text.parse().unwrap()
}

fn realm() -> Realm {
    Realm::new("CORP.EXAMPLE").unwrap()
}

fn user(text: &str) -> Principal {
    Principal::new(PrincipalName::principal(text).unwrap(), realm())
}

fn broker_account() -> Account {
    Account::new("svc-broker", 1100, PASSWORD)
        .spn(name("HTTP/broker.corp.example"))
        .trusted_to_authenticate_for_delegation()
        .delegates_to(name("TERMSRV/desk1.corp.example"))
}

impl Lab {
    fn new() -> Self {
        Self::with_broker(broker_account())
    }

    fn with_broker(broker: Account) -> Self {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let computer = |name: &str, rid, host: &str| {
            Account::new(name, rid, "unsafe computer").spn(PrincipalName::service("TERMSRV", host).unwrap())
        };
        let kdc = Kdc::new(&realm(), &mut rng)
            .with(broker)
            .with(Account::new("alice", 1104, "unsafe alice"))
            .with(Account::new("bob", 1105, "unsafe bob"))
            .with(Account::new("chief", 1106, "unsafe chief").sensitive())
            .with(computer("DESK1$", 1201, "desk1.corp.example"))
            .with(computer("DESK2$", 1202, "desk2.corp.example").allows("svc-broker"))
            .with(computer("DESK3$", 1203, "desk3.corp.example"));
        Self {
            kdc,
            rng,
            now: KerberosTime::parse(b"20261122120000Z").unwrap().to_system() + Duration::from_millis(250),
            clock: Clock { offset: ClockOffset::NONE, max_offset: Duration::from_secs(300) },
            etypes: EtypeList::AES,
            trials: Trials::Two,
            sent: Vec::new(),
        }
    }

    /// Carries the messages of an exchange to and fro, 10 ms each way.
    fn drive<E: Exchange>(
        &mut self,
        started: Result<(E, Request), ExchangeError>,
    ) -> Result<E::Output, ExchangeError> {
        let (mut exchange, mut request) = started?;
        for _ in 0..5 {
            assert_eq!(request.realm, realm());
            self.sent.push(request.bytes.clone());
            self.now += Duration::from_millis(10);
            let reply = self.kdc.answer(&request.bytes, self.now, &mut self.rng);
            self.now += Duration::from_millis(10);
            match exchange.step(&reply, self.now, &mut self.rng)? {
                Step::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
                Step::Done(output) => return Ok(output),
            }
        }
        panic!("the exchange does not end");
    }

    fn password() -> Secret {
        Secret::Password(Zeroizing::new(PASSWORD.to_owned()))
    }

    fn keytab(&mut self, etypes: &[Etype]) -> Secret {
        let own = user("svc-broker");
        let account = self.kdc.account_mut("svc-broker").unwrap();
        let mut keytab = Keytab::default();
        for etype in etypes {
            let missing = || Key::new(*etype, &vec![1; etype.key_length()]).unwrap();
            keytab.push(own.clone(), 3, 0, account.key(*etype).cloned().unwrap_or_else(missing));
        }
        Secret::Keys(LongTermKeys::from_keytab(Arc::new(keytab), vec![own]))
    }

    fn ask(&self, secret: Secret) -> AsAsk {
        AsAsk {
            client: user("svc-broker"),
            secret,
            trials: self.trials,
            etypes: self.etypes,
            lifetime: Duration::from_secs(36_000),
            clock: self.clock,
        }
    }

    fn as_exchange(&mut self, secret: Secret) -> Result<Authenticated, ExchangeError> {
        let started = AsExchange::start(self.ask(secret), self.now, &mut self.rng);
        self.drive(started)
    }

    fn authenticated(&mut self) -> Authenticated {
        self.as_exchange(Self::password()).unwrap()
    }

    fn tgs(&mut self, own: &Authenticated, server: &str) -> Result<ServiceTicket, ExchangeError> {
        let ask = TgsAsk {
            tgt: own.tgt.clone(),
            server: name(server),
            etypes: self.etypes,
            lifetime: Duration::from_secs(3600),
            clock: self.clock,
            trusted: TrustedRealms::default(),
        };
        let started = TgsExchange::start(ask, self.now, &mut self.rng);
        Ok(self.drive(started)?.ticket)
    }

    fn s4u2self(&mut self, own: &Authenticated, of: &str) -> Result<Evidence, ExchangeError> {
        self.s4u2self_for(own, user(of))
    }

    fn s4u2self_for(&mut self, own: &Authenticated, user: Principal) -> Result<Evidence, ExchangeError> {
        let ask = S4u2SelfAsk {
            tgt: own.tgt.clone(),
            user,
            server: name("HTTP/broker.corp.example"),
            long_term_keys: own.long_term_keys.clone(),
            etypes: self.etypes,
            clock: self.clock,
            trusted: TrustedRealms::default(),
        };
        let started = S4u2Self::start(ask, self.now, &mut self.rng);
        self.drive(started)
    }

    fn s4u2proxy(
        &mut self,
        own: &Authenticated,
        evidence: &Evidence,
        server: &str,
    ) -> Result<ServiceTicket, ExchangeError> {
        let ask = S4u2ProxyAsk {
            tgt: own.tgt.clone(),
            server: name(server),
            etypes: self.etypes,
            lifetime: Duration::from_secs(900),
            clock: self.clock,
            trusted: TrustedRealms::default(),
        };
        let started = S4u2Proxy::start(ask, evidence, self.now, &mut self.rng);
        match self.drive(started)? {
            Delegated::Ticket(ticket) => Ok(ticket),
            Delegated::Referred(proxy) => panic!("referred to {}", proxy.realm()),
        }
    }
}

/// The time so many seconds later.
fn later(time: KerberosTime, seconds: u32) -> KerberosTime {
    KerberosTime::from_unix_seconds(time.unix_seconds() + seconds)
}

#[test]
fn nonces_are_never_zero_and_below_two_to_the_31() {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    for _ in 0..1000 {
        assert!((1..0x8000_0000).contains(&nonce(&mut rng)));
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let run = || {
        let mut lab = Lab::new();
        let own = lab.authenticated();
        let evidence = lab.s4u2self(&own, "alice").unwrap();
        lab.s4u2proxy(&own, &evidence, "TERMSRV/desk1.corp.example").unwrap();
        lab.sent
    };
    let first = run();
    assert_eq!(first.len(), 4);
    assert_eq!(first, run());
}
