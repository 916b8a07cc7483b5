use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tokio::sync::Semaphore;

use super::*;
use crate::handoff::testing::{SETTINGS as DESK, Source, at, chain, opening};
use crate::handoff::{SessionError, Settings as DeskSettings};

const SETTINGS: Settings = Settings { interval: Duration::from_secs(60), grace: Duration::from_secs(600) };

type Key = [u8; 32];

/// Says of each chain what it is told to, once it is given a permit.
struct Told {
    verdicts: Mutex<BTreeMap<Key, Verdict>>,
    asked: Mutex<Vec<Key>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    permits: Semaphore,
    /// This one needs no permit.
    unhindered: Mutex<Option<Key>>,
}

impl Ground for Told {
    type Key = Key;

    fn key(&self, session: &Watched) -> Key {
        *session.chain.digest()
    }

    /// The card's first letter.
    fn lane(&self, session: &Watched) -> Lane {
        Lane(session.chain.certificates().card().first().copied().unwrap_or_default().into())
    }

    async fn judge(&self, session: &Watched, _: SystemTime) -> Verdict {
        let key = self.key(session);
        self.asked.lock().unwrap().push(key);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let verdict = self.verdicts.lock().unwrap().get(&key).cloned();
        if *self.unhindered.lock().unwrap() != Some(key) {
            self.permits.acquire().await.unwrap().forget();
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        verdict.unwrap_or(Verdict::Holds { until: None })
    }
}

struct Bench {
    desk: Arc<Desk<Source>>,
    ground: Arc<Told>,
    metrics: crate::metrics::Metrics,
    change: watch::Sender<()>,
    drain: CancellationToken,
    clock: Clock,
}

/// `at(0)`, and the time of the runtime since now.
#[expect(clippy::disallowed_methods, reason = "a clock of the test's own")]
fn clock() -> Clock {
    let began = tokio::time::Instant::now();
    Arc::new(move || at(0) + tokio::time::Instant::now().duration_since(began))
}

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

impl Bench {
    /// Judges with this many permits for verdicts.
    fn new(permits: usize) -> Self {
        let metrics = crate::metrics::Metrics::new();
        let settings = DeskSettings { max_codes: 100, max_codes_per_person: 100, max_sessions: 100, ..DESK };
        let desk = Desk::new(settings, Arc::new(Source::default())).telling(Arc::new(metrics.sessions()));
        let desk = Arc::new(desk);
        let ground = Arc::new(Told {
            verdicts: Mutex::default(),
            asked: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            permits: Semaphore::new(permits),
            unhindered: Mutex::default(),
        });
        let clock = clock();
        let (change, changed) = watch::channel(());
        let drain = CancellationToken::new();
        let recheck = Recheck {
            desk: Arc::clone(&desk),
            ground: Arc::clone(&ground),
            settings: SETTINGS,
            metrics: metrics.sessions(),
            clock: {
                let clock = Arc::clone(&clock);
                move || clock()
            },
        };
        tokio::spawn(run(recheck, changed, ChaCha20Rng::seed_from_u64(3), drain.clone()));
        Self { desk, ground, metrics, change, drain, clock }
    }

    /// A session of `gw1` by this card; its identifier.
    fn session(&self, card: &'static str) -> String {
        let mut rng = crate::entropy::system();
        let opening = crate::handoff::Opening { chain: chain(card), ..opening(at(1000)) };
        let handoff = self.desk.open(opening, at(0), &mut rng).unwrap();
        let (id, _) = self.desk.redeem(&handoff.code(), "gw1", at(0), &mut rng).unwrap();
        id.text().as_str().to_owned()
    }

    fn say(&self, card: &'static str, verdict: Verdict) {
        self.ground.verdicts.lock().unwrap().insert(*chain(card).digest(), verdict);
    }

    /// How a session that was ended before its time is told to its gateway; nothing where it lives. Ends it.
    fn ended(&self, id: &str, second: u64) -> Option<SessionError> {
        self.desk.end(id, "gw1", at(second)).err()
    }

    fn asked(&self) -> usize {
        self.ground.asked.lock().unwrap().len()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

fn revoked() -> Verdict {
    Verdict::Refused { cause: EndCause::CertificateRevoked, detail: "revoked".into() }
}

fn silent() -> Verdict {
    Verdict::Undecided { cause: EndCause::RevocationUnknown, detail: "silence".into() }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_revoked_card_ends_its_session_within_the_interval_and_no_other() {
    let bench = Bench::new(1000);
    let (revoked_one, good) = (bench.session("revoked"), bench.session("good"));
    bench.say("revoked", revoked());
    pass(66).await;
    let cause = EndCause::CertificateRevoked;
    assert_eq!(bench.ended(&revoked_one, 66), Some(SessionError::Ended { cause }));
    assert_eq!(bench.ended(&good, 66), None);
    let text = bench.metrics.text();
    for line in [
        "kerbridge_sessions_ended_total{cause=\"certificate_revoked\"} 1\n",
        "kerbridge_sessions_ended_total{cause=\"gateway\"} 1\n",
        "kerbridge_sessions_rechecks_total{outcome=\"refused\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_of_one_card_are_judged_once_and_end_together() {
    let bench = Bench::new(1000);
    let sessions: Vec<String> = (0..20).map(|_| bench.session("one")).collect();
    bench.say("one", revoked());
    pass(66).await;
    assert_eq!(bench.asked(), 1);
    assert!(sessions.iter().all(|id| bench.ended(id, 66).is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_configuration_has_all_judged_at_once() {
    let bench = Bench::new(1000);
    let session = bench.session("card");
    // They have been noticed, and most are not due yet.
    pass(6).await;
    bench.say("card", revoked());
    bench.change.send_replace(());
    sleep(Duration::from_millis(1)).await;
    assert!(bench.ended(&session, 6).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_responder_that_is_dead_ends_no_session_within_the_grace_and_all_after_it() {
    let bench = Bench::new(1000);
    let session = bench.session("card");
    bench.say("card", silent());
    pass(599).await;
    assert_eq!(bench.desk.watched(at(599)).len(), 1, "the grace lasts");
    assert!(bench.asked() >= 9, "it was tried again and again");
    assert!(bench.metrics.text().contains("kerbridge_sessions_undecided 1\n"));
    pass(1).await;
    sleep(Duration::from_millis(1)).await;
    let cause = EndCause::RevocationUnknown;
    assert_eq!(bench.ended(&session, 601), Some(SessionError::Ended { cause }));
    assert!(bench.metrics.text().contains("kerbridge_sessions_undecided 0\n"));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_ends_is_judged_at_that_moment_and_not_at_the_next_turn() {
    let bench = Bench::new(1000);
    let session = bench.session("card");
    bench.say("card", Verdict::Holds { until: Some(at(90)) });
    pass(70).await;
    bench.say("card", Verdict::Refused { cause: EndCause::CertificateExpired, detail: "ended".into() });
    assert_eq!(bench.desk.watched(at(70)).len(), 1, "its path has not ended");
    pass(20).await;
    sleep(Duration::from_millis(1)).await;
    let cause = EndCause::CertificateExpired;
    assert_eq!(bench.ended(&session, 90), Some(SessionError::Ended { cause }));
}

#[tokio::test(start_paused = true)]
async fn few_are_judged_at_once_and_one_that_hangs_does_not_keep_the_others() {
    let bench = Bench::new(0);
    for card in ["xa", "xb", "xc", "xd", "xe", "xf", "xg", "xh", "xi", "xj", "xk", "xl"] {
        bench.session(card);
    }
    // Shorter than any of them may take.
    pass(59).await;
    assert_eq!(bench.ground.most_at_once.load(Ordering::SeqCst), OF_A_LANE);
    bench.ground.permits.add_permits(1000);
    sleep(Duration::from_millis(1)).await;
    assert!(bench.asked() >= 12);
}

#[tokio::test(start_paused = true)]
async fn a_slow_responder_delays_nobody_but_its_own_issuer_s_cards() {
    let bench = Bench::new(0);
    const SLOW: [&str; 40] = [
        "sa", "sb", "sc", "sd", "se", "sf", "sg", "sh", "si", "sj", "sk", "sl", "sm", "sn", "so", "sp", "sq",
        "sr", "ss", "st", "su", "sv", "sw", "sx", "sy", "sz", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7",
        "s8", "s9", "s-", "s+", "s.", "s:",
    ];
    for card in SLOW {
        bench.session(card);
    }
    let quick = bench.session("quick");
    bench.say("quick", revoked());
    *bench.ground.unhindered.lock().unwrap() = Some(*chain("quick").digest());
    pass(66).await;
    assert!(bench.asked() < 40, "the others are still waited for");
    let cause = EndCause::CertificateRevoked;
    assert_eq!(bench.ended(&quick, 66), Some(SessionError::Ended { cause }), "within its interval");
    let overdue = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("kerbridge_sessions_recheck_overdue "));
        line.unwrap().parse::<usize>().unwrap()
    };
    assert!(overdue(&bench.metrics.text()) > 20, "{}", bench.metrics.text());
    bench.ground.permits.add_permits(1000);
    pass(120).await;
    assert_eq!(overdue(&bench.metrics.text()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_judge_that_never_answers_counts_as_undecided() {
    let bench = Bench::new(0);
    bench.session("card");
    pass(130).await;
    assert!(bench.metrics.text().contains("kerbridge_sessions_undecided 1\n"), "{}", bench.metrics.text());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_service_ends_the_watch() {
    let bench = Bench::new(1000);
    bench.session("card");
    bench.drain.cancel();
    pass(120).await;
    assert_eq!(bench.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_at_its_moment_and_not_at_the_next_sweep() {
    let bench = Bench::new(1000);
    let clock = Arc::clone(&bench.clock);
    let now = move || clock();
    tokio::spawn(sweep(Arc::clone(&bench.desk), bench.metrics.sessions(), now, bench.drain.clone()));
    // The sweep has begun to wait for ten seconds; the session that comes then ends sooner.
    pass(1).await;
    let mut rng = crate::entropy::system();
    let mut short = opening(at(4));
    short.ends_with = crate::handoff::EndsWith::Certificate;
    let handoff = bench.desk.open(short, at(1), &mut rng).unwrap();
    bench.desk.redeem(&handoff.code(), "gw1", at(1), &mut rng).unwrap();
    sleep(Duration::from_millis(2999)).await;
    let ended = "kerbridge_sessions_ended_total{cause=\"certificate_expired\"} 1\n";
    assert!(!bench.metrics.text().contains(ended));
    assert!(bench.metrics.text().contains("kerbridge_sessions_live 1\n"));
    sleep(Duration::from_millis(10)).await;
    assert!(bench.metrics.text().contains(ended), "{}", bench.metrics.text());
    assert!(bench.metrics.text().contains("kerbridge_sessions_live 0\n"));
}
