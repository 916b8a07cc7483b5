//! One time for all that is asked for a card.

use tokio::time::Instant;

use super::*;
use crate::identity::IssuerFetchSettings;
use crate::identity::testing::access;

/// How long the site takes for each certificate.
const SLOW: Duration = Duration::from_millis(2900);

/// A site that gives these certificates, slowly, each at its number, and never answers anything else.
fn site(listener: TcpListener, certificates: Vec<CertificateDer<'static>>) {
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let certificates = certificates.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
                let asked = String::from_utf8_lossy(&request);
                let place = asked.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()?.parse().ok());
                let Some(certificate) = place.and_then(|place: usize| certificates.get(place)) else {
                    return std::future::pending().await;
                };
                sleep(SLOW).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", certificate.len());
                // Whoever asked may be gone.
                drop(stream.write_all(&[head.as_bytes(), certificate].concat()).await);
            });
        }
    });
}

/// What becomes of a card with so many issuing authorities between it and its root, each of which has to be fetched, and whose
/// responders never answer; and how long that takes.
async fn validated(between: usize) -> (String, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = |place: usize| format!("http://127.0.0.1:{port}/{place}");
    let root = Authority::root("Root");
    let mut authorities: Vec<Authority> = Vec::new();
    for place in 0..between {
        let above = authorities.last().unwrap_or(&root);
        let below = above.below_with(&format!("Authority {place}"), |params| {
            if let Some(above) = place.checked_sub(1) {
                access(params, &url(above));
            }
        });
        authorities.push(below);
    }
    let card = authorities.last().unwrap().card_with(|params| access(params, &url(between - 1)));
    site(listener, authorities.iter().map(|authority| authority.certificate.clone()).collect());
    let mut order = IssuerOrder::new(None, vec![RevocationStep::AlternateOcsp]);
    order.alternate_ocsp = (10..14).map(url).collect();
    let allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let settings = Settings {
        revocation: Revocation::Ordered { crls: Vec::new(), issuers: vec![order] },
        issuer_fetch: Some(IssuerFetchSettings::new(vec!["127.0.0.1".to_owned()])),
        fetcher: Arc::new(Fetcher::new(FetchSettings { allow_networks, allow_ports: vec![port] })),
        ..trusting(&[&root])
    };
    let validator = validator(settings);
    let began = instant();
    let refused = validator.validate(&peer(&[&card]), now(), &mut rng()).await.expect_err("nobody answers");
    (refused.to_string(), instant().duration_since(began))
}

#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
fn instant() -> Instant {
    Instant::now()
}

#[tokio::test(start_paused = true)]
async fn issuers_that_are_slow_and_responders_that_are_silent_share_one_time() {
    let limit = InquirySettings::default().time_limit;
    for (between, cause) in [(1, "no time was left"), (2, "no time was left"), (3, "no path")] {
        let (refused, took) = validated(between).await;
        assert!(took >= limit && took < limit + Duration::from_millis(20), "{between}: {took:?}");
        assert!(refused.contains(cause), "{between}: {refused}");
    }
}
