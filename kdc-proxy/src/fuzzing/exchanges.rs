//! Exchanges that are fed with what a KDC might answer: anything at all, or the answers of an honest KDC with octets changed
//! on the way, or before they were encrypted or signed by somebody who has the keys.
//!
//! An input begins with an octet that says which of these, and an octet that says to which of the replies it is done. Whatever
//! follows is the reply itself, or a list of changes of four octets each: a place, what is done there, and a value.
//!
//! What must hold: nothing panics; out of nothing comes no ticket; and where an exchange gives a ticket all the same, because
//! the change lies where nothing is protected or nothing was changed, it is the one that the honest KDC issued, for the client
//! and the server that were asked for.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a place is one within the octets, and an oracle panics where something does not hold that must"
)]

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rand_core::{CryptoRng, RngCore};

use crate::error::{ErrorCode, ExchangeError};
use crate::exchange::as_exchange::{AsAsk, AsExchange, Authenticated};
use crate::exchange::realms::TrustedRealms;
use crate::exchange::s4u2proxy::{Delegated, S4u2Proxy, S4u2ProxyAsk};
use crate::exchange::s4u2self::{Evidence, S4u2Self, S4u2SelfAsk};
use crate::exchange::secret::{LongTermKeys, Secret, Trials};
use crate::exchange::tgs_exchange::{TgsAsk, TgsExchange};
use crate::exchange::{Clock, Exchange, Request, Step};
use crate::key::{EtypeList, Key};
use crate::message::kdc_rep::EncKdcRepPart;
use crate::principal::{Principal, PrincipalName, Realm};
use crate::testing::{Account, Hooks, Kdc};
use crate::ticket::{ServiceTicket, TicketFlags};
use crate::time::{ClockOffset, KerberosTime};

/// 2026-11-22T12:00:00Z.
const NOW: u32 = 1_795_348_800;
const TARGET: &str = "TERMSRV/desk1.corp.example";
const OWN: &str = "HTTP/broker.corp.example";
const USER_SID: &str = "S-1-5-21-1111-2222-3333-1104";

/// The same numbers each time: an input means the same in every run. They protect nothing.
struct Numbers(u64);

impl RngCore for Numbers {
    fn next_u32(&mut self) -> u32 {
        let [low, .., high] = self.next_u64().to_le_bytes().map(u32::from);
        low << 24 | high << 8 | low
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }

    fn fill_bytes(&mut self, octets: &mut [u8]) {
        for octet in octets {
            *octet = self.next_u64().to_le_bytes()[5];
        }
    }
}

impl CryptoRng for Numbers {}

/// A KDC, and everything a broker has from it that is needed for the exchanges.
struct World {
    kdc: Kdc,
    own: Authenticated,
    evidence: Evidence,
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

fn name(text: &str) -> PrincipalName {
    text.parse().expect("a name")
}

fn realm() -> Realm {
    Realm::new("CORP.EXAMPLE").expect("a realm")
}

fn principal(text: &str) -> Principal {
    Principal::new(name(text), realm())
}

fn now() -> SystemTime {
    KerberosTime::from_unix_seconds(NOW).to_system()
}

fn clock() -> Clock {
    Clock { offset: ClockOffset::NONE, max_offset: Duration::from_secs(300) }
}

fn start_as(secret: Secret, rng: &mut Numbers) -> Result<(AsExchange, Request), ExchangeError> {
    let ask = AsAsk {
        client: principal("svc-broker"),
        secret,
        etypes: EtypeList::AES,
        lifetime: Duration::from_secs(36_000),
        clock: clock(),
        trials: Trials::Two,
    };
    AsExchange::start(ask, now(), rng)
}

fn start_tgs(own: &Authenticated, rng: &mut Numbers) -> Result<(TgsExchange, Request), ExchangeError> {
    let ask = TgsAsk {
        tgt: own.tgt.clone(),
        server: name(TARGET),
        etypes: EtypeList::AES,
        lifetime: Duration::from_secs(3600),
        clock: clock(),
        trusted: TrustedRealms::default(),
    };
    TgsExchange::start(ask, now(), rng)
}

fn start_s4u2self(own: &Authenticated, rng: &mut Numbers) -> Result<(S4u2Self, Request), ExchangeError> {
    let ask = S4u2SelfAsk {
        tgt: own.tgt.clone(),
        user: principal("alice"),
        server: name(OWN),
        long_term_keys: own.long_term_keys.clone(),
        etypes: EtypeList::AES,
        clock: clock(),
        trusted: TrustedRealms::default(),
    };
    S4u2Self::start(ask, now(), rng)
}

fn start_s4u2proxy(
    own: &Authenticated,
    evidence: &Evidence,
    rng: &mut Numbers,
) -> Result<(S4u2Proxy, Request), ExchangeError> {
    let ask = S4u2ProxyAsk {
        tgt: own.tgt.clone(),
        server: name(TARGET),
        etypes: EtypeList::AES,
        lifetime: Duration::from_secs(900),
        clock: clock(),
        trusted: TrustedRealms::default(),
    };
    S4u2Proxy::start(ask, evidence, now(), rng)
}

/// Carries the messages of an exchange to and fro.
fn drive<E: Exchange>(
    started: Result<(E, Request), ExchangeError>,
    rng: &mut Numbers,
    mut answer: impl FnMut(&Request, &mut Numbers) -> Vec<u8>,
) -> Result<E::Output, ExchangeError> {
    let (mut exchange, mut request) = started?;
    for _ in 0..6 {
        let reply = answer(&request, rng);
        match exchange.step(&reply, now(), rng)? {
            Step::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
            Step::Done(output) => return Ok(output),
        }
    }
    panic!("the exchange does not end");
}

impl World {
    fn new() -> Self {
        let mut rng = Numbers(1);
        let broker = Account::new("svc-broker", 1100, "unsafe broker")
            .spn(name(OWN))
            .trusted_to_authenticate_for_delegation()
            .delegates_to(name(TARGET));
        let mut kdc = Kdc::new(&realm(), &mut rng)
            .with(broker)
            .with(Account::new("alice", 1104, "unsafe alice").member_of(&[2001, 2002]))
            .with(Account::new("DESK1$", 1201, "unsafe desk").spn(name(TARGET)));
        let secret = Secret::Keys(own_keys(&mut kdc));
        let started = start_as(secret, &mut rng);
        let own = drive(started, &mut rng, |request, rng| kdc.answer(&request.bytes, now(), rng));
        let own = own.expect("an honest KDC");
        let started = start_s4u2self(&own, &mut rng);
        let evidence = drive(started, &mut rng, |request, rng| kdc.answer(&request.bytes, now(), rng));
        Self { kdc, own, evidence: evidence.expect("an honest KDC") }
    }
}

fn own_keys(kdc: &mut Kdc) -> LongTermKeys {
    let account = kdc.account_mut("svc-broker").expect("the broker's account");
    let keys: Vec<Key> =
        EtypeList::AES.as_slice().iter().filter_map(|etype| account.key(*etype)).cloned().collect();
    LongTermKeys::from_keys(keys)
}

/// One change to octets: at a place, of a kind, with a value.
#[derive(Clone, Copy)]
struct Edit {
    place: usize,
    kind: u8,
    value: u8,
}

/// Most changes of one input.
const MOST_EDITS: usize = 64;

fn edits(octets: &[u8]) -> Vec<Edit> {
    let (records, _) = octets.as_chunks::<4>();
    let edit = |[high, low, kind, value]: &[u8; 4]| Edit {
        place: usize::from(u16::from_be_bytes([*high, *low])),
        kind: *kind,
        value: *value,
    };
    records.iter().take(MOST_EDITS).map(edit).collect()
}

/// Makes the changes. A place beyond the end counts from the beginning again.
fn apply(edits: &[Edit], octets: &mut Vec<u8>) {
    for edit in edits {
        if octets.is_empty() {
            octets.push(edit.value);
            continue;
        }
        let place = edit.place % octets.len();
        match edit.kind % 6 {
            0 => octets[place] = edit.value,
            1 => octets[place] ^= edit.value,
            2 => octets.insert(place, edit.value),
            3 => drop(octets.drain(place..(place + usize::from(edit.value)).min(octets.len()))),
            4 => octets.truncate(place),
            _ => {
                let again = octets[place..(place + usize::from(edit.value)).min(octets.len())].to_vec();
                octets.splice(place..place, again);
            }
        }
    }
}

/// Changes one of the buffers; every third change is one to their list.
fn change_buffers(index: usize, edit: Edit, buffers: &mut Vec<(u32, Vec<u8>)>) {
    let (count, is_of_the_list) = (buffers.len().max(1), index % 3 == 2);
    match buffers.get_mut(usize::from(edit.kind) % count) {
        Some((kind, _)) if is_of_the_list && edit.value < 32 => *kind = u32::from(edit.value),
        _ if is_of_the_list && count < 16 => {
            buffers.push((u32::from(edit.kind), vec![edit.value; edit.place % 64]));
        }
        Some((_, octets)) => apply(&[edit], octets),
        None => {}
    }
}

/// What is done to the replies.
enum Lie {
    /// Something else is answered.
    Anything(Vec<u8>),
    /// Octets are changed on the way.
    Octets(Vec<Edit>),
    /// The encrypted part of the reply is changed before it is encrypted.
    Part(Vec<Edit>),
    /// The encrypted part of the ticket.
    Ticket(Vec<Edit>),
    /// The buffers of the PAC, before it is signed.
    PacBuffers(Vec<Edit>),
    /// The PAC after it was signed.
    Pac(Vec<Edit>),
    /// The first request is refused with this error, whose octets are changed.
    Error(ErrorCode, Vec<Edit>),
}

impl Lie {
    fn read(kind: u8, octets: &[u8]) -> Self {
        match kind % 7 {
            0 => Self::Anything(octets.to_vec()),
            1 => Self::Octets(edits(octets)),
            2 => Self::Part(edits(octets)),
            3 => Self::Ticket(edits(octets)),
            4 => Self::PacBuffers(edits(octets)),
            5 => Self::Pac(edits(octets)),
            _ => {
                let (code, rest) = octets.split_first().unwrap_or((&0, &[]));
                Self::Error(ErrorCode::new(i32::from(*code)), edits(rest))
            }
        }
    }

    /// Whether somebody lies who could have signed the PAC.
    const fn is_told_by_the_pacs_signer(&self) -> bool {
        matches!(self, Self::PacBuffers(_))
    }
}

/// A KDC that tells a lie, and what it issued in truth.
struct Liar<'a> {
    kdc: &'a mut Kdc,
    lie: Lie,
    /// The octets on the way are changed in those replies whose bit is set, the first reply's lowest.
    rounds: u8,
    round: u32,
    issued: Arc<Mutex<Option<EncKdcRepPart>>>,
}

impl<'a> Liar<'a> {
    fn new(kdc: &'a mut Kdc, lie: Lie, rounds: u8) -> Self {
        kdc.hooks = Hooks::default();
        kdc.forget_authenticators();
        let issued = Arc::<Mutex<Option<EncKdcRepPart>>>::default();
        let seen = Arc::clone(&issued);
        kdc.hooks.part = Some(Box::new(move |part| {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(part.clone());
        }));
        let edited = |edits: &[Edit]| {
            let edits = edits.to_vec();
            move |octets: &mut Vec<u8>| apply(&edits, octets)
        };
        match &lie {
            Lie::Part(edits) => kdc.hooks.part_octets = Some(Box::new(edited(edits))),
            Lie::Ticket(edits) => kdc.hooks.ticket_octets = Some(Box::new(edited(edits))),
            Lie::Pac(edits) => kdc.hooks.pac = Some(Box::new(edited(edits))),
            Lie::PacBuffers(edits) => {
                let edits = edits.clone();
                kdc.hooks.pac_buffers = Some(Box::new(move |buffers| {
                    for (index, edit) in edits.iter().enumerate() {
                        change_buffers(index, *edit, buffers);
                    }
                }));
            }
            Lie::Error(code, _) => kdc.refuse_next(*code),
            Lie::Anything(_) | Lie::Octets(_) => {}
        }
        Self { kdc, lie, rounds, round: 0, issued }
    }

    fn answer(&mut self, request: &Request, rng: &mut Numbers) -> Vec<u8> {
        let mut reply = self.kdc.answer(&request.bytes, now(), rng);
        let is_meant = self.rounds & 1_u8.wrapping_shl(self.round) != 0;
        match &self.lie {
            Lie::Anything(octets) => reply.clone_from(octets),
            Lie::Octets(edits) if is_meant => apply(edits, &mut reply),
            Lie::Error(_, edits) if self.round == 0 => apply(edits, &mut reply),
            _ => {}
        }
        self.round += 1;
        reply
    }

    /// What must hold of a ticket that was given all the same.
    fn judge(&self, ticket: &ServiceTicket, client: &Principal, server: &PrincipalName) {
        assert!(!matches!(self.lie, Lie::Anything(_)), "a ticket came out of nothing");
        assert!(ticket.client().eq_ignoring_case(client), "the client is another: {}", ticket.client());
        assert!(
            ticket.server().name().eq_ignoring_case(server),
            "the server is another: {}",
            ticket.server()
        );
        assert!(ticket.server().realm().eq_ignoring_case(&realm()), "the realm is another");
        assert!(EtypeList::AES.contains(ticket.session_key().etype()), "the key is of another type");
        let never = [TicketFlags::INVALID, TicketFlags::RENEWABLE];
        assert!(!never.into_iter().any(|flag| ticket.flags().contains(flag)), "{:?}", ticket.flags());
        assert!(ticket.renew_till().is_none(), "the ticket can be stretched");
        assert!(ticket.endtime() > now() && ticket.endtime() <= now() + Duration::from_secs(36_000));
        if matches!(self.lie, Lie::Part(_)) {
            // Whoever changed the part has the key of the reply: the rest is his to say.
            return;
        }
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let issued = issued.as_ref().expect("a ticket was issued");
        let key = Key::try_from(&issued.key).expect("an honest key");
        assert!(key.is_same(ticket.session_key()), "the session key is another");
        assert_eq!(TicketFlags::from(issued.flags), ticket.flags(), "the flags are others");
        let times = ticket.times();
        assert_eq!(
            (issued.authtime, issued.endtime),
            (times.authtime, times.endtime),
            "the times are others"
        );
    }
}

/// Splits an input, tells the lie, and lets `run` go through the exchange.
fn told(
    bytes: &[u8],
    run: impl FnOnce(&Authenticated, &Evidence, &mut Liar<'_>) -> Result<(), ExchangeError>,
) -> bool {
    let [kind, rounds, rest @ ..] = bytes else { return false };
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let World { kdc, own, evidence } = &mut *world;
    run(own, evidence, &mut Liar::new(kdc, Lie::read(*kind, rest), *rounds)).is_ok()
}

/// An AS exchange.
pub fn as_exchange(bytes: &[u8]) -> bool {
    told(bytes, |own, _, liar| {
        let mut rng = Numbers(2);
        let started = start_as(Secret::Keys(own.long_term_keys.clone()), &mut rng);
        let given = drive(started, &mut rng, |request, rng| liar.answer(request, rng))?;
        let ticket = given.tgt.ticket();
        liar.judge(ticket, &principal("svc-broker"), &PrincipalName::krbtgt(&realm()));
        assert!(ticket.flags().contains(TicketFlags::INITIAL));
        Ok(())
    })
}

/// A TGS exchange in our own name.
pub fn tgs_exchange(bytes: &[u8]) -> bool {
    told(bytes, |own, _, liar| {
        let mut rng = Numbers(3);
        let started = start_tgs(own, &mut rng);
        let given = drive(started, &mut rng, |request, rng| liar.answer(request, rng))?;
        liar.judge(&given.ticket, &principal("svc-broker"), &name(TARGET));
        Ok(())
    })
}

/// An S4U2Self exchange for alice.
pub fn s4u2self(bytes: &[u8]) -> bool {
    told(bytes, |own, _, liar| {
        let mut rng = Numbers(4);
        let started = start_s4u2self(own, &mut rng);
        let given = drive(started, &mut rng, |request, rng| liar.answer(request, rng))?;
        liar.judge(given.ticket(), &principal("alice"), &name(OWN));
        assert!(given.pac().client_name().eq_ignore_ascii_case("alice"));
        if !liar.lie.is_told_by_the_pacs_signer() {
            assert_eq!(given.pac().user_sid().to_string(), USER_SID, "the user's sid is another");
            assert_eq!(given.pac().groups().len(), 4, "the groups are others");
            assert_eq!(given.pac().user_account_control().bits(), 0x10, "the account is another");
        }
        Ok(())
    })
}

/// An S4U2Proxy exchange with alice's evidence.
pub fn s4u2proxy(bytes: &[u8]) -> bool {
    told(bytes, |own, evidence, liar| {
        let mut rng = Numbers(5);
        let started = start_s4u2proxy(own, evidence, &mut rng);
        match drive(started, &mut rng, |request, rng| liar.answer(request, rng))? {
            Delegated::Ticket(ticket) => liar.judge(&ticket, &principal("alice"), &name(TARGET)),
            Delegated::Referred(proxy) => panic!("a referral to {} was followed", proxy.realm()),
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const TARGETS: [fn(&[u8]) -> bool; 4] = [as_exchange, tgs_exchange, s4u2self, s4u2proxy];
    const KINDS: std::ops::Range<u8> = 0..7;

    #[test]
    fn without_a_change_every_exchange_gives_its_ticket() {
        for target in TARGETS {
            for kind in KINDS.filter(|kind| ![0, 6].contains(kind)) {
                assert!(target(&[kind, 0xff]), "{kind}");
            }
        }
    }

    #[test]
    fn an_answer_that_is_none_gives_no_ticket_whatever_it_is() {
        for target in TARGETS {
            for octets in [&[][..], &[0x6b], &[0x6d, 0x80], &[0x7e; 200], &[0x30; 4000]] {
                assert!(!target(&[&[0, 0xff][..], octets].concat()));
            }
        }
    }

    #[test]
    fn an_error_of_any_number_gives_no_ticket_or_the_honest_one() {
        let mut mended = BTreeSet::new();
        for target in TARGETS {
            for code in 0..=u8::MAX {
                if target(&[6, 1, code]) {
                    mended.insert(code);
                }
            }
        }
        // Of all errors two are tried again: the demand for preauthentication, without its data, is not one of them.
        assert_eq!(mended, BTreeSet::from([37]));
    }

    /// How many octets of the only reply may be changed in this bit without the exchange noticing.
    fn unnoticed(target: fn(&[u8]) -> bool, bit: u8) -> usize {
        let changed = |place: u16| {
            let [high, low] = place.to_be_bytes();
            target(&[1, 1, high, low, 1, bit])
        };
        // The reply is shorter than this and longer than half of it; a place beyond its end counts from the beginning again.
        let unnoticed: Vec<u16> = (0..2000).filter(|place| changed(*place)).collect();
        let first = unnoticed.first().unwrap();
        let period = (1000..2000).find(|period| unnoticed.contains(&(first + period))).unwrap();
        unnoticed.iter().filter(|place| **place < period).count()
    }

    #[test]
    fn only_what_nothing_protects_may_be_changed_in_an_s4u2self_reply() {
        // The letters' case in the outer client's name and realm; the type of that name and of the ticket's server; and the
        // versions of the keys, which only help to find them.
        let letters = "alice".len() + "CORPEXAMPLE".len();
        assert_eq!(unnoticed(s4u2self, 0x20), letters + 4);
        assert_eq!(unnoticed(s4u2self, 0x01), 4);
    }

    /// What a run of the fuzzer begins with, without its guidance.
    #[test]
    fn some_thousand_lies_give_no_ticket_but_the_honest_one() {
        let mut numbers = Numbers(99);
        for target in TARGETS {
            for _ in 0..600 {
                let length = usize::try_from(numbers.next_u32() % 40).unwrap();
                let mut input = vec![0; 2 + length];
                numbers.fill_bytes(&mut input);
                input[1] |= 1;
                target(&input);
            }
        }
    }
}
