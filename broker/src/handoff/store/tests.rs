use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::super::testing::{chain, opening};
use super::*;

/// A secret that counts how many of its kind are alive.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Bench {
    store: Store<Counted>,
    rng: ChaCha20Rng,
    secrets: Arc<AtomicUsize>,
    card: &'static str,
}

const SMALL: Limits = Limits { codes: 3, codes_per_person: 3, sessions: 2 };

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let secrets = Arc::new(AtomicUsize::new(0));
        Self { store: Store::new(limits), rng: ChaCha20Rng::seed_from_u64(7), secrets, card: "one" }
    }

    /// A code for `gw1`, good for 60 s from `second`, its session for 3600 s.
    fn admit(&mut self, second: u64) -> Result<Token<32>, HandOffError> {
        let code = Token::draw(&mut self.rng);
        self.secrets.fetch_add(1, Ordering::SeqCst);
        let draft = Draft {
            watched: Watched {
                gateway: "gw1".to_owned(),
                facts: Arc::new(opening(at(second + 3600)).facts),
                chain: chain(self.card),
                checked_at: at(second),
            },
            code_expires_at: at(second + 60),
            session_end: (at(second + 3600), EndsWith::Rule),
            session: Counted(Arc::clone(&self.secrets)),
        };
        self.store.admit(&code, draft, at(second)).map(|()| code)
    }

    fn redeem(&mut self, code: &Token<32>, gateway: &str, second: u64) -> Result<Token<16>, RedeemError> {
        let id = Token::draw(&mut self.rng);
        self.store.redeem(code, gateway, &id, at(second)).map(|_| id)
    }

    fn secrets(&self) -> usize {
        self.secrets.load(Ordering::SeqCst)
    }
}

#[test]
fn a_code_works_once() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).expect("there is room");
    bench.redeem(&code, "gw1", 1).expect("the code is good");
    assert_eq!(bench.redeem(&code, "gw1", 2).err(), Some(RedeemError::Used { gateway: "gw1".to_owned() }));
}

#[test]
fn of_many_threads_exactly_one_redeems_a_code() {
    for round in 0..50 {
        let mut bench = Bench::new(Limits { codes: 8, codes_per_person: 8, sessions: 64 });
        let code = bench.admit(0).expect("there is room");
        let start = std::sync::Barrier::new(8);
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8_u64)
                .map(|seed| {
                    let (store, code, start) = (&bench.store, &code, &start);
                    scope.spawn(move || {
                        let id = Token::draw(&mut ChaCha20Rng::seed_from_u64(round * 100 + seed));
                        start.wait();
                        store.redeem(code, "gw1", &id, at(1)).is_ok()
                    })
                })
                .collect();
            tries
                .into_iter()
                .map(|thread| thread.join().expect("no thread panics"))
                .filter(|won| *won)
                .count()
        });
        assert_eq!(won, 1);
        assert_eq!(bench.store.sweep(at(1)), Census { codes: 0, sessions: 1 });
    }
}

#[test]
fn another_gateways_try_is_refused_and_spends_nothing() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).expect("there is room");
    let refused = RedeemError::WrongGateway { made_for: "gw1".to_owned(), tried_by: "gw2".to_owned() };
    for second in [1, 2, 61] {
        assert_eq!(bench.redeem(&code, "gw2", second).err(), Some(refused.clone()));
    }
    bench.redeem(&code, "gw1", 59).expect("the rightful gateway is not harmed");
}

#[test]
fn a_code_expires_at_its_second() {
    let mut bench = Bench::new(SMALL);
    let (last, late) = (bench.admit(0).expect("there is room"), bench.admit(0).expect("there is room"));
    bench.redeem(&last, "gw1", 59).expect("59 s is in time");
    assert_eq!(
        bench.redeem(&late, "gw1", 60).err(),
        Some(RedeemError::Expired { gateway: "gw1".to_owned() })
    );
}

#[test]
fn an_expired_code_is_told_from_an_unknown_one_for_ten_minutes() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).expect("there is room");
    bench.store.sweep(at(60 + 599));
    assert_eq!(
        bench.redeem(&code, "gw1", 60 + 599).err(),
        Some(RedeemError::Expired { gateway: "gw1".to_owned() })
    );
    bench.store.sweep(at(60 + 600));
    assert_eq!(bench.redeem(&code, "gw1", 60 + 600).err(), Some(RedeemError::Unknown));
}

#[test]
fn an_expired_code_wipes_what_it_stood_for() {
    let mut bench = Bench::new(SMALL);
    let swept = bench.admit(0).expect("there is room");
    let tried = bench.admit(10).expect("there is room");
    assert_eq!(bench.store.sweep(at(60)), Census { codes: 1, sessions: 0 });
    assert_eq!(bench.secrets(), 1);
    bench.redeem(&tried, "gw1", 70).expect_err("the code is too old");
    assert_eq!(bench.secrets(), 0);
    bench.redeem(&swept, "gw1", 70).expect_err("the code is too old");
}

#[test]
fn a_code_that_was_never_made_is_unknown() {
    let mut bench = Bench::new(SMALL);
    let code = Token::draw(&mut bench.rng);
    assert_eq!(bench.redeem(&code, "gw1", 0).err(), Some(RedeemError::Unknown));
}

#[test]
fn too_many_waiting_codes_are_refused_until_one_is_spent_or_expires() {
    let mut bench = Bench::new(SMALL);
    let first = bench.admit(0).expect("there is room");
    bench.admit(5).expect("there is room");
    bench.admit(5).expect("there is room");
    assert_eq!(bench.admit(6).err(), Some(HandOffError::TooManyCodes { limit: 3 }));
    assert_eq!(bench.secrets(), 3, "a refused login leaves nothing behind");
    bench.redeem(&first, "gw1", 7).expect("the code is good");
    bench.admit(8).expect("one was redeemed");
    assert_eq!(bench.admit(9).err(), Some(HandOffError::TooManyCodes { limit: 3 }));
    bench.admit(65).expect("two have expired");
}

#[test]
fn a_person_has_a_place_again_once_a_code_is_spent_or_expires() {
    let mut bench = Bench::new(Limits { codes_per_person: 1, ..SMALL });
    let first = bench.admit(0).expect("there is room");
    assert_eq!(bench.admit(1).err(), Some(HandOffError::TooManyCodesOfPerson { limit: 1 }));
    assert_eq!(bench.secrets(), 1, "a refused login leaves nothing behind");
    bench.redeem(&first, "gw1", 2).expect("the code is good");
    bench.admit(3).expect("it was redeemed");
    bench.admit(63).expect("it has expired");
}

#[test]
fn too_many_sessions_are_refused_without_spending_the_code() {
    let mut bench = Bench::new(SMALL);
    let codes: Vec<_> = (0..3).map(|_| bench.admit(0).expect("there is room")).collect();
    let first = bench.redeem(&codes[0], "gw1", 1).expect("there is room");
    bench.redeem(&codes[1], "gw1", 1).expect("there is room");
    assert_eq!(bench.redeem(&codes[2], "gw1", 2).err(), Some(RedeemError::TooManySessions { limit: 2 }));
    bench.store.end(&first, "gw1", at(3)).expect("the session is alive");
    bench.redeem(&codes[2], "gw1", 4).expect("the code was not spent");
}

#[test]
fn spent_codes_do_not_fill_the_memory() {
    let mut bench = Bench::new(Limits { codes: 3, codes_per_person: 3, sessions: 100 });
    for second in 0..50 {
        let code = bench.admit(second).expect("there is room");
        let id = bench.redeem(&code, "gw1", second).expect("the code is good");
        bench.store.end(&id, "gw1", at(second)).expect("the session is alive");
        assert!(bench.store.tables().codes.len() <= 5);
    }
    assert_eq!(bench.secrets(), 0);
}

#[test]
fn a_repeated_code_is_refused_and_the_first_stays_good() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).expect("there is room");
    bench.rng = ChaCha20Rng::seed_from_u64(7);
    assert_eq!(bench.admit(1).err(), Some(HandOffError::RandomRepeated));
    bench.redeem(&code, "gw1", 2).expect("the first is untouched");
}

#[test]
fn a_session_is_found_by_its_gateway_until_it_expires() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).expect("there is room");
    let id = bench.redeem(&code, "gw1", 30).expect("the code is good");
    bench.store.session(&id, "gw1", at(3599)).expect("the session is alive");
    assert_eq!(bench.store.session(&id, "gw1", at(3600)).err(), Some(SessionError::Unknown));
    assert_eq!(bench.secrets(), 0, "the use after the end wipes it");
}

#[test]
fn another_gateway_can_neither_use_nor_end_a_session() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).expect("there is room");
    let id = bench.redeem(&code, "gw1", 1).expect("the code is good");
    let refused = SessionError::WrongGateway { made_for: "gw1".to_owned(), tried_by: "gw2".to_owned() };
    assert_eq!(bench.store.session(&id, "gw2", at(2)).err(), Some(refused.clone()));
    assert_eq!(bench.store.end(&id, "gw2", at(2)).err(), Some(refused));
    bench.store.session(&id, "gw1", at(3)).expect("the session is alive");
}

#[test]
fn an_ended_session_is_unknown_and_wiped() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).expect("there is room");
    let id = bench.redeem(&code, "gw1", 1).expect("the code is good");
    bench.store.end(&id, "gw1", at(2)).expect("the session is alive");
    assert_eq!(bench.secrets(), 0);
    assert_eq!(bench.store.session(&id, "gw1", at(2)).err(), Some(SessionError::Unknown));
    assert_eq!(bench.store.end(&id, "gw1", at(2)).err(), Some(SessionError::Unknown));
}

/// What has ended since this was asked last: why, and whether it was redeemed.
fn told(bench: &Bench) -> Vec<(EndCause, bool)> {
    bench.store.take_endings().iter().map(|ending| (ending.cause, ending.redeemed)).collect()
}

#[test]
fn the_sessions_and_codes_of_a_card_end_together_and_others_live_on() {
    let mut bench = Bench::new(Limits { codes: 8, codes_per_person: 8, sessions: 8 });
    let (redeemed, waiting) = (bench.admit(0).unwrap(), bench.admit(0).unwrap());
    let id = bench.redeem(&redeemed, "gw1", 1).unwrap();
    bench.card = "other";
    let (other, other_waiting) = (bench.admit(0).unwrap(), bench.admit(0).unwrap());
    let other = bench.redeem(&other, "gw1", 1).unwrap();
    let (_, end) = bench.store.session(&id, "gw1", at(2)).unwrap();

    let cause = EndCause::CertificateRevoked;
    bench.store.end_all((cause, "revoked"), at(3), chain("one").digest(), |_| true);
    assert_eq!(told(&bench), [(cause, false), (cause, true)]);
    assert_eq!(bench.secrets(), 2, "what they held is wiped");
    assert!(end.token().is_cancelled());
    assert_eq!(bench.store.session(&id, "gw1", at(4)).err(), Some(SessionError::Ended { cause }));
    assert_eq!(bench.redeem(&waiting, "gw1", 4).err(), Some(RedeemError::Ended { cause }));
    bench.store.session(&other, "gw1", at(4)).expect("the other card is not concerned");
    bench.redeem(&other_waiting, "gw1", 4).expect("nor its code");
    assert_eq!(bench.store.sweep(at(5)), Census { codes: 0, sessions: 2 });
}

#[test]
fn why_a_session_ended_is_told_to_its_gateway_alone_and_for_ten_minutes() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).unwrap();
    let id = bench.redeem(&code, "gw1", 1).unwrap();
    let cause = EndCause::CertificateUntrusted;
    bench.store.end_all((cause, ""), at(2), chain("one").digest(), |_| true);
    assert_eq!(bench.store.session(&id, "gw2", at(3)).err(), Some(SessionError::Unknown));
    assert_eq!(bench.store.end(&id, "gw1", at(3)).err(), Some(SessionError::Ended { cause }));
    bench.store.sweep(at(2 + 599));
    assert_eq!(bench.store.session(&id, "gw1", at(601)).err(), Some(SessionError::Ended { cause }));
    bench.store.sweep(at(2 + 600));
    assert_eq!(bench.store.session(&id, "gw1", at(602)).err(), Some(SessionError::Unknown));
}

#[test]
fn every_end_of_a_session_is_told_once_with_its_cause() {
    let mut bench = Bench::new(SMALL);
    let codes = [bench.admit(0).unwrap(), bench.admit(0).unwrap()];
    let [first, _second] = codes.map(|code| bench.redeem(&code, "gw1", 1).unwrap());
    bench.store.end(&first, "gw1", at(2)).unwrap();
    assert_eq!(told(&bench), [(EndCause::Gateway, true)]);
    assert_eq!(bench.store.next_end(), Some(at(3600)));
    bench.store.sweep(at(3600));
    assert_eq!(told(&bench), [(EndCause::Lifetime, true)]);
    bench.store.sweep(at(3601));
    assert_eq!((told(&bench), bench.store.next_end()), (vec![], None));
}

#[test]
fn the_certificates_of_one_card_are_kept_once() {
    let mut bench = Bench::new(SMALL);
    let code = bench.admit(0).unwrap();
    bench.redeem(&code, "gw1", 1).unwrap();
    bench.admit(1).unwrap();
    let watched = bench.store.watched(at(1));
    assert!(watched.len() == 2 && Arc::ptr_eq(&watched[0].chain, &watched[1].chain));
}

#[test]
fn to_end_every_card_looks_at_each_session_once() {
    const CARDS: [&str; 50] = {
        let names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX";
        let mut cards = [""; 50];
        let mut place = 0;
        while place < 50 {
            cards[place] = names.split_at(place).1.split_at(1).0;
            place += 1;
        }
        cards
    };
    let mut bench = Bench::new(Limits { codes: 100, codes_per_person: 100, sessions: 100 });
    for card in CARDS {
        bench.card = card;
        let code = bench.admit(0).unwrap();
        bench.redeem(&code, "gw1", 1).unwrap();
        bench.admit(1).unwrap();
    }
    let looked = std::cell::Cell::new(0);
    for card in CARDS {
        bench.store.end_all((EndCause::CertificateUntrusted, ""), at(2), chain(card).digest(), |_| {
            looked.set(looked.get() + 1);
            true
        });
    }
    assert_eq!((looked.get(), told(&bench).len(), bench.secrets()), (100, 100, 0));
}

#[test]
fn no_chain_is_remembered_longer_than_its_codes_and_sessions() {
    let mut bench = Bench::new(Limits { codes: 8, codes_per_person: 8, sessions: 8 });
    let chains = |bench: &Bench| bench.store.tables().by_chain.chains();
    // A code that expires, one that is redeemed too late, a session that its gateway ends, and one that ends with its time.
    for card in ["a", "b", "c", "d"] {
        bench.card = card;
        let code = bench.admit(0).unwrap();
        assert_eq!(chains(&bench), 1, "{card}");
        match card {
            "a" => drop(bench.store.sweep(at(60))),
            "b" => assert!(bench.redeem(&code, "gw1", 60).is_err()),
            "c" => {
                let id = bench.redeem(&code, "gw1", 1).unwrap();
                bench.store.end(&id, "gw1", at(2)).unwrap();
            }
            _ => {
                bench.redeem(&code, "gw1", 1).unwrap();
                bench.store.sweep(at(3600));
            }
        }
        assert_eq!(chains(&bench), 0, "{card}");
    }
}
