//! The exchanges across realms, against KDCs in memory that play MIT krb5 and Windows: what succeeds, and every lie that
//! another realm's KDC could tell.

mod lies;
mod s4u2proxy;
mod s4u2self;
mod tgs_exchange;

use super::*;
use crate::error::{ErrorCode, EvidenceError, ReferralError, ReplyError, RequestError};
use crate::exchange::realms::{TrustedRealm, TrustedRealms};
use crate::exchange::s4u2proxy::ProxyTicket;
use crate::exchange::s4u2proxy::across::{AcrossAsk, S4u2ProxyAcross};
use crate::exchange::tgs_exchange::Obtained;
use crate::message::pac::Sid;
use crate::testing::{Implementation, Realms};
use crate::ticket::TicketGrantingTicket;

const ALPHA: [u32; 4] = [21, 1, 1, 1];
const BETA: [u32; 4] = [21, 2, 2, 2];
const GAMMA: [u32; 4] = [21, 3, 3, 3];

fn alpha() -> Realm {
    Realm::new("ALPHA.EXAMPLE").unwrap()
}

fn beta() -> Realm {
    Realm::new("BETA.EXAMPLE").unwrap()
}

/// Reached through beta.
fn gamma() -> Realm {
    Realm::new("GAMMA.EXAMPLE").unwrap()
}

fn carol(realm: Realm) -> Principal {
    Principal::new(PrincipalName::principal("carol").unwrap(), realm)
}

fn sid(sub_authorities: [u32; 4]) -> Sid {
    let mut octets = vec![1, 4, 0, 0, 0, 0, 0, 5];
    octets.extend(sub_authorities.iter().flat_map(|part| part.to_le_bytes()));
    Sid::parse(&octets).unwrap()
}

fn trusted(realm: Realm, domain: [u32; 4]) -> TrustedRealm {
    TrustedRealm { realm, domain_sid: Some(sid(domain)) }
}

/// Three realms in a row: alpha, where the broker lives, beta and gamma. Each has a carol and a desktop that lets the
/// broker act.
struct World {
    realms: Realms,
    rng: ChaCha20Rng,
    now: SystemTime,
    clock: Clock,
    trusted: TrustedRealms,
    sent: Vec<Request>,
}

fn domain(realm: &Realm, sub_authorities: [u32; 4], rng: &mut ChaCha20Rng) -> Kdc {
    let host = format!("desk1.{}", realm.as_str().to_lowercase());
    let mut kdc = Kdc::new(realm, rng);
    kdc.set_domain(sub_authorities);
    kdc.with(Account::new("carol", 1110, "unsafe carol").member_of(&[2001]))
        .with(Account::new("dave", 1111, "unsafe dave"))
        .with(Account::new("chief", 1112, "unsafe chief").sensitive())
        .with(
            Account::new("DESK1$", 1201, "unsafe desk")
                .spn(PrincipalName::service("TERMSRV", &host).unwrap())
                .allows("svc-broker")
                .allows("svc-broker@ALPHA.EXAMPLE"),
        )
}

impl World {
    fn new(implementation: Implementation) -> Self {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let broker = Account::new("svc-broker", 1100, PASSWORD)
            .spn(name("HTTP/broker.alpha.example"))
            .trusted_to_authenticate_for_delegation();
        let mut realms = Realms::default()
            .with(domain(&alpha(), ALPHA, &mut rng).with(broker))
            .with(domain(&beta(), BETA, &mut rng))
            .with(domain(&gamma(), GAMMA, &mut rng))
            .trusting(&alpha(), &beta(), &mut rng)
            .trusting(&beta(), &gamma(), &mut rng)
            .route(&alpha(), &gamma(), &beta())
            .route(&gamma(), &alpha(), &beta());
        for realm in [alpha(), beta(), gamma()] {
            realms.kdc(&realm).unwrap().set_implementation(implementation);
        }
        Self {
            realms,
            rng,
            now: KerberosTime::parse(b"20261122120000Z").unwrap().to_system() + Duration::from_millis(250),
            clock: Clock { offset: ClockOffset::NONE, max_offset: Duration::from_secs(300) },
            trusted: TrustedRealms::new(vec![trusted(beta(), BETA), trusted(gamma(), GAMMA)]),
            sent: Vec::new(),
        }
    }

    fn kdc(&mut self, realm: &Realm) -> &mut Kdc {
        self.realms.kdc(realm).unwrap()
    }

    /// Carries the messages of an exchange to the KDCs they are for.
    fn drive<E: Exchange>(
        &mut self,
        started: Result<(E, Request), ExchangeError>,
    ) -> Result<E::Output, ExchangeError> {
        let (mut exchange, mut request) = started?;
        for _ in 0..40 {
            self.sent.push(request.clone());
            self.now += Duration::from_millis(10);
            let reply = self.realms.answer(&request, self.now, &mut self.rng).expect("a realm that exists");
            self.now += Duration::from_millis(10);
            match exchange.step(&reply, self.now, &mut self.rng)? {
                Step::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
                Step::Done(output) => return Ok(output),
            }
        }
        panic!("the exchange does not end");
    }

    /// The realms that were asked since the last time.
    fn asked(&mut self) -> Vec<String> {
        let realm = |request: Request| {
            let realm = request.realm.to_string();
            realm.split('.').next().unwrap_or_default().to_lowercase()
        };
        self.sent.drain(..).map(realm).collect()
    }

    fn authenticated(&mut self) -> Authenticated {
        let ask = AsAsk {
            client: Principal::new(name("svc-broker"), alpha()),
            secret: Lab::password(),
            etypes: EtypeList::AES,
            lifetime: Duration::from_secs(36_000),
            clock: self.clock,
            trials: Trials::Two,
        };
        let started = AsExchange::start(ask, self.now, &mut self.rng);
        let own = self.drive(started).unwrap();
        self.sent.clear();
        own
    }

    fn obtain(
        &mut self,
        tgt: &TicketGrantingTicket,
        server: PrincipalName,
    ) -> Result<Obtained, ExchangeError> {
        let ask = TgsAsk {
            tgt: tgt.clone(),
            server,
            etypes: EtypeList::AES,
            lifetime: Duration::from_secs(3600),
            clock: self.clock,
            trusted: self.trusted.clone(),
        };
        let started = TgsExchange::start(ask, self.now, &mut self.rng);
        self.drive(started)
    }

    fn tgt_for(&mut self, own: &Authenticated, realm: &Realm) -> Result<TicketGrantingTicket, ExchangeError> {
        if *realm == alpha() {
            return Ok(own.tgt.clone());
        }
        let ticket = self.obtain(&own.tgt, PrincipalName::krbtgt(realm))?.ticket;
        Ok(TicketGrantingTicket::new(ticket).unwrap())
    }

    /// S4U2Self with a ticket for the user's realm, which is got first.
    fn s4u2self(&mut self, own: &Authenticated, user: &Principal) -> Result<Evidence, ExchangeError> {
        let tgt = self.tgt_for(own, user.realm())?;
        self.s4u2self_with(own, tgt, user)
    }

    fn s4u2self_with(
        &mut self,
        own: &Authenticated,
        tgt: TicketGrantingTicket,
        user: &Principal,
    ) -> Result<Evidence, ExchangeError> {
        let ask = S4u2SelfAsk {
            tgt,
            user: user.clone(),
            server: name("HTTP/broker.alpha.example"),
            long_term_keys: own.long_term_keys.clone(),
            etypes: EtypeList::AES,
            clock: self.clock,
            trusted: self.trusted.clone(),
        };
        let started = S4u2Self::start(ask, self.now, &mut self.rng);
        self.drive(started)
    }

    fn delegated(
        &mut self,
        own: &Authenticated,
        evidence: &Evidence,
        server: &str,
    ) -> Result<Delegated, ExchangeError> {
        let ask = S4u2ProxyAsk {
            tgt: own.tgt.clone(),
            server: name(server),
            etypes: EtypeList::AES,
            lifetime: Duration::from_secs(900),
            clock: self.clock,
            trusted: self.trusted.clone(),
        };
        let started = S4u2Proxy::start(ask, evidence, self.now, &mut self.rng);
        self.drive(started)
    }

    fn referred(
        &mut self,
        own: &Authenticated,
        evidence: &Evidence,
        server: &str,
    ) -> Result<ProxyTicket, ExchangeError> {
        match self.delegated(own, evidence, server)? {
            Delegated::Referred(proxy) => Ok(proxy),
            Delegated::Ticket(ticket) => panic!("{ticket:?}"),
        }
    }

    fn across(
        &mut self,
        own: &Authenticated,
        proxy: ProxyTicket,
        server: &str,
    ) -> Result<ServiceTicket, ExchangeError> {
        let ask = AcrossAsk {
            tgt: self.tgt_for(own, proxy.realm())?,
            server: name(server),
            etypes: EtypeList::AES,
            lifetime: Duration::from_secs(900),
            clock: self.clock,
            trusted: self.trusted.clone(),
        };
        let started = S4u2ProxyAcross::start(ask, proxy, self.now, &mut self.rng);
        self.drive(started)
    }
}

/// Both implementations.
const PLAYED: [Implementation; 2] = [Implementation::Mit, Implementation::Windows];
