//! A login as Samba 4.22 answered it: with the same clock and randomness the requests are the recorded ones octet for
//! octet, and the recorded replies pass every check.

use super::*;

const RECORDING: &str = include_str!("../../../tests/vectors/samba_4_22_login.txt");

struct Recording {
    now: SystemTime,
    rounds: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    rng: ChaCha20Rng,
}

impl Recording {
    fn new() -> Self {
        let (seconds, rounds) = RECORDING.split_once('\n').unwrap();
        let rounds: Vec<_> = rounds
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(request, reply)| (hex::decode(request).unwrap(), hex::decode(reply).unwrap()))
            .collect();
        Self {
            now: KerberosTime::from_unix_seconds(seconds.parse().unwrap()).to_system(),
            rounds: rounds.into_iter(),
            rng: ChaCha20Rng::from_seed([22; 32]),
        }
    }

    fn drive<E: Exchange>(&mut self, started: Result<(E, Request), ExchangeError>) -> E::Output {
        let (mut exchange, mut request) = started.unwrap();
        loop {
            let (sent, reply) = self.rounds.next().unwrap();
            assert_eq!(hex::encode(&request.bytes), hex::encode(sent));
            match exchange.step(&reply, self.now, &mut self.rng).unwrap() {
                Step::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
                Step::Done(output) => return output,
            }
        }
    }
}

#[test]
fn a_recorded_login_with_samba_is_repeated_and_verified() {
    let mut recording = Recording::new();
    let now = recording.now;
    let etypes = EtypeList::AES;
    let mut clock = Clock { offset: ClockOffset::NONE, max_offset: Duration::from_secs(300) };
    let ask = AsAsk {
        client: user("svc-broker"),
        secret: Secret::Password(Zeroizing::new("Pässw0rd-broker".to_owned())),
        trials: Trials::Two,
        etypes,
        lifetime: Duration::from_secs(36_000),
        clock,
    };
    let started = AsExchange::start(ask, now, &mut recording.rng);
    let own = recording.drive(started);
    assert_eq!(own.tgt.ticket().client().to_string(), "Svc-Broker@CORP.EXAMPLE");
    clock.offset = own.clock_offset;

    let ask = S4u2SelfAsk {
        tgt: own.tgt.clone(),
        user: user("alice"),
        server: name("HTTP/broker.corp.example"),
        long_term_keys: own.long_term_keys.clone(),
        etypes,
        clock,
        trusted: TrustedRealms::default(),
    };
    let started = S4u2Self::start(ask, now, &mut recording.rng);
    let evidence = recording.drive(started);
    assert_eq!(evidence.user().to_string(), "alice@CORP.EXAMPLE");
    assert!(evidence.is_forwardable());
    assert_eq!(evidence.pac().user_sid().to_string(), "S-1-5-21-1525095568-281964447-2646421524-1104");

    for server in ["TERMSRV/desk1.corp.example", "TERMSRV/desk2.corp.example"] {
        let lifetime = Duration::from_secs(600);
        let trusted = TrustedRealms::default();
        let ask =
            S4u2ProxyAsk { tgt: own.tgt.clone(), server: name(server), etypes, lifetime, clock, trusted };
        let started = S4u2Proxy::start(ask, &evidence, now, &mut recording.rng);
        let Delegated::Ticket(ticket) = recording.drive(started) else { panic!("referred") };
        assert_eq!(ticket.client().to_string(), "alice@CORP.EXAMPLE");
        assert_eq!(ticket.server().to_string(), format!("{server}@CORP.EXAMPLE"));
    }
    assert!(recording.rounds.next().is_none());
}
