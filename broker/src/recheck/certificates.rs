//! The card's certificates as what a session rests on.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;

use super::{Ground, Lane, Verdict};
use crate::handoff::{EndCause, Watched};
use crate::identity::{IdentityError, ValidatedIdentity, Validator};

/// The certificates of a login, judged as at a login by the validator of the newest configuration.
pub struct Certificates<V, R> {
    /// Gives the validator in force.
    pub newest: V,
    /// Gives the randomness of its questions.
    pub rng: R,
}

impl<V, R, G> Ground for Certificates<V, R>
where
    V: Fn() -> Arc<Validator> + Send + Sync + 'static,
    R: Fn() -> G + Send + Sync + 'static,
    G: CryptoRng + Send,
{
    type Key = [u8; 32];

    fn key(&self, session: &Watched) -> [u8; 32] {
        *session.chain.digest()
    }

    fn lane(&self, session: &Watched) -> Lane {
        let mut digest = DefaultHasher::new();
        session.chain.certificates().issuer().hash(&mut digest);
        Lane(digest.finish())
    }

    async fn judge(&self, session: &Watched, now: SystemTime) -> Verdict {
        let (validator, mut rng) = ((self.newest)(), (self.rng)());
        verdict(validator.validate(session.chain.certificates(), now, &mut rng).await)
    }
}

/// A certificate is valid throughout the second of its notAfter (RFC 5280 section 4.1.2.5).
const SECOND: Duration = Duration::from_secs(1);

fn verdict(judged: Result<ValidatedIdentity, IdentityError>) -> Verdict {
    let error = match judged {
        Ok(identity) => {
            return Verdict::Holds { until: Some(SystemTime::from(identity.not_after()) + SECOND) };
        }
        Err(error) => error,
    };
    let (cause, detail) = (EndCause::from(&error), error.to_string().into());
    match error {
        IdentityError::RevocationUnknown { .. } | IdentityError::ClockUnusable => {
            Verdict::Undecided { detail, cause }
        }
        _ => Verdict::Refused { cause, detail },
    }
}

#[cfg(test)]
mod tests {
    use rcgen::RevocationReason;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::handoff::testing::opening;
    use crate::handoff::{Opening, PresentedChain};
    use crate::identity::testing::{Authority, access, days, now, peer, revoked, trusting, validator};
    use crate::identity::{FetchSettings, Fetcher, IssuerFetchSettings, Revocation, Settings};

    struct Scene {
        root: Authority,
        session: Watched,
    }

    impl Scene {
        /// A session of a card that this root issued.
        fn new() -> Self {
            let root = Authority::root("Root");
            let chain = PresentedChain::new(peer(&[&root.card()]));
            let Opening { gateway, facts, .. } = opening(now());
            let session = Watched { gateway, facts: facts.into(), chain: chain.into(), checked_at: now() };
            Self { root, session }
        }

        fn settings(&self, crl: Vec<u8>) -> Settings {
            Settings { revocation: Revocation::Crls(vec![crl]), ..trusting(&[&self.root]) }
        }

        async fn judged(&self, settings: Settings, now: SystemTime) -> Verdict {
            let validator = Arc::new(validator(settings));
            let ground = Certificates { newest: move || Arc::clone(&validator), rng: crate::entropy::system };
            ground.judge(&self.session, now).await
        }

        /// The cause for which the session would end.
        async fn refused(&self, settings: Settings, now: SystemTime) -> Option<EndCause> {
            match self.judged(settings, now).await {
                Verdict::Refused { cause, .. } => Some(cause),
                Verdict::Holds { .. } | Verdict::Undecided { .. } => None,
            }
        }
    }

    #[tokio::test]
    async fn a_good_card_holds_until_the_second_after_its_path_ends() {
        let scene = Scene::new();
        let verdict = scene.judged(scene.settings(scene.root.crl()), now()).await;
        let Verdict::Holds { until } = verdict else { panic!("{verdict:?}") };
        assert_eq!(until, Some(now() + days(365) + SECOND));
    }

    #[tokio::test]
    async fn each_way_in_which_a_card_ceases_to_hold_has_its_cause() {
        let scene = Scene::new();
        let revoked = scene.root.crl_with(|params| {
            params.revoked_certs = vec![revoked(0x1001, RevocationReason::KeyCompromise)];
        });
        let good = || scene.settings(scene.root.crl());
        let stranger = Authority::root("Other");
        let removed = trusting(&[&stranger]);
        let tightened = Settings { maximum_validity: Some(days(10)), ..good() };
        let forgotten = Settings { revocation: Revocation::NotConfigured, ..good() };
        let late = now() + days(366);
        for (settings, now, cause) in [
            (scene.settings(revoked), now(), EndCause::CertificateRevoked),
            (removed, now(), EndCause::CertificateUntrusted),
            (tightened, now(), EndCause::CertificateUsage),
            (forgotten, now(), EndCause::RevocationUnknown),
            (trusting(&[&scene.root]), late, EndCause::CertificateExpired),
        ] {
            assert_eq!(scene.refused(settings, now).await, Some(cause));
        }
    }

    #[tokio::test]
    async fn a_list_that_is_missing_or_has_ended_decides_nothing() {
        let scene = Scene::new();
        let other = Authority::root("Other");
        for (settings, now) in
            [(scene.settings(other.crl()), now()), (scene.settings(scene.root.crl()), now() + days(30))]
        {
            let verdict = scene.judged(settings, now).await;
            assert!(
                matches!(verdict, Verdict::Undecided { cause: EndCause::RevocationUnknown, .. }),
                "{verdict:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_session_does_not_end_with_the_site_that_its_cards_issuer_was_fetched_from() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let root = Authority::root("Root");
        let issuing = root.below("Issuing");
        let card = issuing.card_with(|params| access(params, &format!("http://127.0.0.1:{port}/ca.cer")));
        let answer = issuing.certificate.to_vec();
        let site = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
            stream.write_all(&[head.as_bytes(), &answer].concat()).await.unwrap();
        });
        let allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
        let fetcher = Arc::new(Fetcher::new(FetchSettings { allow_networks, allow_ports: vec![port] }));
        let issuer_fetch = || Some(IssuerFetchSettings::new(vec!["127.0.0.1".to_owned()]));
        let trusting = |root: &Authority| Settings {
            fetcher: Arc::clone(&fetcher),
            issuer_fetch: issuer_fetch(),
            ..trusting(&[root])
        };
        let presented = peer(&[&card]);
        let login = validator(trusting(&root));
        let identity = login.validate(&presented, now(), &mut crate::entropy::system()).await.unwrap();
        site.await.unwrap();

        // The site is gone, and a reload has made a validator that has fetched nothing yet.
        let mut scene = Scene::new();
        scene.session.chain = PresentedChain::new(presented.clone()).into();
        let untrusted = Some(EndCause::CertificateUntrusted);
        assert_eq!(scene.refused(trusting(&root), now()).await, untrusted, "nobody has the issuer any more");
        scene.session.chain = PresentedChain::new(identity.chain(presented)).into();
        let verdict = scene.judged(trusting(&root), now()).await;
        assert!(matches!(verdict, Verdict::Holds { .. }), "{verdict:?}");
        assert_eq!(
            scene.refused(trusting(&scene.root), now()).await,
            untrusted,
            "the root is what is trusted"
        );
    }
}
