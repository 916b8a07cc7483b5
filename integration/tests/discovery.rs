//! The search for domain controllers against two real ones, their DNS and their word on themselves.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use integration::lab::Lab;
use ldap_map::net::locate::{DnsError, LocateError, Located, Locator, Settings, Standing};

/// The site that Samba makes with the domain.
const SITE: &str = "Default-First-Site-Name";

fn settings(dns_servers: Vec<SocketAddr>) -> Settings {
    Settings {
        domain: "corp.example".to_owned(),
        host_domains: vec!["corp.example".to_owned()],
        dns_servers,
        site: None,
        timeout: Duration::from_secs(2),
        refresh_interval: Duration::from_secs(300),
    }
}

async fn found(settings: Settings) -> Located {
    let located = Locator::new(settings).unwrap().look().await.unwrap();
    Located::clone(&located)
}

#[tokio::test]
async fn both_domain_controllers_are_found_by_the_dns_of_their_domain() {
    let lab = Lab::with_two_controllers("discovery").unwrap();
    let expected: Vec<_> =
        lab.controllers().into_iter().map(|one| (one.name().to_owned(), one.address())).collect();
    for dns in lab.controllers() {
        let settings = settings(vec![SocketAddr::from((dns.address(), 53))]);
        let both = |located: &Located, standing: Standing| {
            let mut controllers = located.controllers.clone();
            controllers.sort_by(|one, other| one.host.cmp(&other.host));
            assert_eq!(expected.len(), controllers.len(), "{controllers:?}");
            for (controller, (host, address)) in controllers.iter().zip(&expected) {
                assert_eq!((host.as_str(), 88), (controller.host.as_str(), controller.kdc_port));
                // The controllers register the addresses of the machine beneath them too.
                assert!(controller.addresses.contains(&IpAddr::from(*address)), "{controller:?}");
                assert_eq!((Some(SITE), standing), (controller.site.as_deref(), controller.standing));
            }
        };

        let located = found(settings.clone()).await;
        assert_eq!(Some(SITE), located.site.as_deref(), "the domain controllers tell the site");
        both(&located, Standing::Closest);

        let located = found(Settings { site: Some(SITE.to_lowercase()), ..settings.clone() }).await;
        both(&located, Standing::Closest);

        let located = found(Settings { site: Some("Nowhere".to_owned()), ..settings.clone() }).await;
        assert_eq!(Some("Nowhere"), located.site.as_deref());
        both(&located, Standing::Elsewhere);

        let elsewhere = Settings { host_domains: vec!["beta.example".to_owned()], ..settings.clone() };
        let refused = Locator::new(elsewhere).unwrap().look().await.unwrap_err();
        assert_eq!(LocateError::None { domain: "corp.example".to_owned(), asked: 0 }, refused);

        let unknown = Settings { domain: "none.corp.example".to_owned(), ..settings };
        let unknown = Locator::new(unknown).unwrap().look().await.unwrap_err();
        assert!(matches!(unknown, LocateError::Dns { error: DnsError::NoRecord, .. }), "{unknown}");
    }
}

#[tokio::test]
async fn dns_that_is_not_there_is_said_to_fail() {
    // A port that was ours and now is nobody's.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let quick = Settings { timeout: Duration::from_millis(500), ..settings(vec![address]) };
    // First it is silent, then it is gone.
    let silent = Locator::new(quick.clone()).unwrap().look().await.unwrap_err();
    drop(socket);
    let gone = Locator::new(quick).unwrap().look().await.unwrap_err();
    let name = "_ldap._tcp.dc._msdcs.corp.example.".to_owned();
    assert_eq!(LocateError::Dns { name: name.clone(), error: DnsError::Timeout }, silent);
    assert!(matches!(gone, LocateError::Dns { error: DnsError::Timeout | DnsError::Failed, .. }), "{gone}");
}
