use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

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
}

const SMALL: Limits = Limits { codes: 3, codes_per_person: 3, sessions: 2 };

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let secrets = Arc::new(AtomicUsize::new(0));
        Self { store: Store::new(limits), rng: ChaCha20Rng::seed_from_u64(7), secrets }
    }

    /// A code for `gw1`, good for 60 s from `second`, its session for 3600 s.
    fn admit(&mut self, second: u64) -> Result<Token<32>, HandOffError> {
        let code = Token::draw(&mut self.rng);
        self.secrets.fetch_add(1, Ordering::SeqCst);
        let draft = Draft {
            gateway: "gw1".to_owned(),
            person: "S-1-5-21-1-2-3-1103".to_owned(),
            code_expires_at: at(second + 60),
            session_expires_at: at(second + 3600),
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
