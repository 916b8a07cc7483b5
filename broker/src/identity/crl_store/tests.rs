use der::Encode as _;
use rcgen::{SerialNumber, SigningKey as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::super::certificate::ParsedCertificate;
use super::super::fetch::FetchSettings;
use super::super::testing::{Authority, days, now, tlv};
use super::*;

/// A web server of the test.
struct Site {
    port: u16,
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    asked: watch::Receiver<Vec<String>>,
}

impl Site {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let files: Arc<Mutex<HashMap<String, Vec<u8>>>> = Arc::default();
        let (sender, asked) = watch::channel(Vec::new());
        let served = Arc::clone(&files);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
                let path = String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_owned();
                let file = served.lock().unwrap().get(&path).cloned();
                let status = if file.is_some() { "200 OK" } else { "404 Not Found" };
                let file = file.unwrap_or_default();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", file.len());
                stream.write_all(&[head.as_bytes(), &file].concat()).await.unwrap();
                sender.send_modify(|asked| asked.push(path));
            }
        });
        Self { port, files, asked }
    }

    fn put(&self, path: &str, file: &[u8]) {
        self.files.lock().unwrap().insert(path.to_owned(), file.to_vec());
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn points(&self, paths: &[&str]) -> Points {
        vec![paths.iter().map(|path| self.url(path)).collect()]
    }

    fn asked(&self) -> usize {
        self.asked.borrow().len()
    }

    fn store(&self, change: impl FnOnce(&mut CrlStoreSettings)) -> Arc<CrlStore> {
        let allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
        let fetcher = Fetcher::new(FetchSettings { allow_networks, allow_ports: vec![self.port] });
        let mut settings = CrlStoreSettings::default();
        change(&mut settings);
        Arc::new(CrlStore::new(Arc::new(fetcher), settings))
    }
}

/// A list of a number, issued so many days after the one that is current.
fn list(authority: &Authority, number: u64, later: i64) -> Vec<u8> {
    authority.crl_with(|params| {
        params.crl_number = SerialNumber::from(number);
        let later = later * 86_400;
        params.this_update += Duration::from_secs(later.unsigned_abs());
        params.next_update += Duration::from_secs(later.unsigned_abs());
    })
}

/// What a validation does with a list of an authority that it knows.
fn believed(list: &Crl, authority: &Authority) -> bool {
    list.is_signed_by(&ParsedCertificate::parse(&authority.certificate).unwrap())
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_list_is_fetched_once_for_all_who_ask() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    site.put("/ca.crl", &root.crl());
    let (store, points) = (site.store(|_| ()), site.points(&["/ca.crl"]));
    let (one, other) = tokio::join!(store.obtain(&points, now()), store.obtain(&points, now()));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(Arc::ptr_eq(&one[0], &other[0]));
    assert!(believed(&one[0], &root));
    let later = store.obtain(&points, now() + MINUTE).await.unwrap();
    assert!(Arc::ptr_eq(&one[0], &later[0]));
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn the_next_place_of_a_point_is_asked_where_one_fails() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    site.put("/rubbish.crl", b"<html>");
    site.put("/ca.crl", &root.crl());
    let store = site.store(|_| ());
    let mut points = site.points(&["/absent.crl", "/rubbish.crl", "/ca.crl"]);
    points[0].insert(0, "ldap:///CN=CA?certificateRevocationList".to_owned());
    points[0].insert(0, "https://pki.example/ca.crl".to_owned());
    assert_eq!(store.obtain(&points, now()).await.unwrap().len(), 1);
    assert_eq!(site.asked(), 3);
    assert!(store.obtain(&points, now()).await.is_ok());
    assert_eq!(site.asked(), 3, "what is at hand is taken before anybody is asked");
}

#[tokio::test]
async fn a_place_that_failed_is_asked_again_after_a_pause_only() {
    let site = Site::new().await;
    let (store, points) = (site.store(|_| ()), site.points(&["/ca.crl"]));
    let absent = ObtainError::Fetch(FetchError::Status(404));
    assert_eq!(store.obtain(&points, now()).await.err(), Some(absent.clone()));
    let paused = ObtainError::Paused(Box::new(absent.clone()));
    assert_eq!(store.obtain(&points, now()).await.err(), Some(paused.clone()));
    assert_eq!(store.obtain(&points, now() + MINUTE / 2).await.err(), Some(absent));
    // The pause has doubled.
    assert_eq!(store.obtain(&points, now() + MINUTE).await.err(), Some(paused));
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn a_newer_list_of_the_same_signer_takes_the_place_and_an_older_one_does_not() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    let (store, points, place) = (site.store(|_| ()), site.points(&["/ca.crl"]), site.url("/ca.crl"));
    site.put("/ca.crl", &list(&root, 7, 0));
    let first = store.obtain(&points, now()).await.unwrap();
    assert!(believed(&first[0], &root));
    for (number, later, replaced) in [(6, 1, false), (7, 0, false), (8, 0, true), (8, 1, true), (9, 0, false)]
    {
        let before = store.remembered(&points);
        site.put("/ca.crl", &list(&root, number, later));
        store.ask(&place, now()).await.unwrap();
        let after = store.remembered(&points);
        assert_eq!(after.len(), 1);
        assert_eq!(!Arc::ptr_eq(&before[0], &after[0]), replaced, "{number} {later}");
    }
}

#[tokio::test]
async fn a_forged_list_does_not_displace_a_good_one() {
    let (site, root, forger) = (Site::new().await, Authority::root("Root"), Authority::root("Root"));
    let (store, points, place) = (site.store(|_| ()), site.points(&["/ca.crl"]), site.url("/ca.crl"));
    site.put("/ca.crl", &list(&root, 7, 0));
    let good = store.obtain(&points, now()).await.unwrap().remove(0);
    assert!(believed(&good, &root));
    for number in 100..120 {
        site.put("/ca.crl", &list(&forger, number, 1));
        store.ask(&place, now()).await.unwrap();
        let lists = store.obtain(&points, now()).await.unwrap();
        assert_eq!(lists.len(), 2, "what is not believed makes room for the next");
        assert!(lists.iter().any(|list| Arc::ptr_eq(list, &good)));
        assert!(!lists.iter().any(|list| !Arc::ptr_eq(list, &good) && believed(list, &root)));
    }
    let successor = list(&root, 8, 1);
    site.put("/ca.crl", &successor);
    store.ask(&place, now()).await.unwrap();
    assert_eq!(store.remembered(&points).len(), 1);
}

/// After a change of keys the new list is signed by somebody else, and only a validation can tell that it is right.
#[tokio::test]
async fn a_list_by_a_new_key_stands_beside_the_old_one_until_it_is_believed() {
    let (site, old, new) = (Site::new().await, Authority::root("Root"), Authority::root("Root"));
    let (store, points, place) =
        (site.store(|settings| settings.refresh = days(30)), site.points(&["/ca.crl"]), site.url("/ca.crl"));
    site.put("/ca.crl", &list(&old, 7, 0));
    assert!(believed(&store.obtain(&points, now()).await.unwrap()[0], &old));
    site.put("/ca.crl", &list(&new, 8, 1));
    store.ask(&place, now()).await.unwrap();
    let both = store.remembered(&points);
    assert_eq!(both.len(), 2);
    assert!(both.iter().any(|list| believed(list, &new)));
    site.put("/ca.crl", &list(&new, 9, 2));
    store.ask(&place, now()).await.unwrap();
    let mut begins: Vec<u64> = store.remembered(&points).iter().map(|list| list.this_update()).collect();
    begins.sort_unstable();
    assert_eq!(begins.len(), 2);
    assert_eq!(begins[1] - begins[0], 2 * 86_400);

    // Once the list of the old key has ended, that of the new one is enough, and the old one is given up.
    let (asked, later) = (site.asked(), now() + days(7) + 600 * MINUTE);
    assert_eq!(store.obtain(&points, later).await.unwrap().len(), 2);
    assert_eq!(site.asked(), asked);
    site.put("/ca.crl", &list(&new, 10, 3));
    store.ask(&place, later).await.unwrap();
    assert_eq!(store.remembered(&points).len(), 1);
}

#[tokio::test]
async fn a_list_nobody_believes_is_fetched_again_soon() {
    let (site, root, forger) = (Site::new().await, Authority::root("Root"), Authority::root("Root"));
    let (store, points) = (site.store(|_| ()), site.points(&["/ca.crl"]));
    site.put("/ca.crl", &forger.crl());
    assert!(!believed(&store.obtain(&points, now()).await.unwrap()[0], &root));
    site.put("/ca.crl", &root.crl());
    store.obtain(&points, now() + MINUTE / 2).await.unwrap();
    let mut asked = site.asked.clone();
    asked.wait_for(|asked| asked.len() == 2).await.unwrap();
}

#[tokio::test]
async fn a_list_is_fetched_anew_before_it_ends_without_anybody_waiting() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    let store = site.store(|settings| settings.refresh = days(30));
    let points = site.points(&["/ca.crl"]);
    site.put("/ca.crl", &list(&root, 7, 0));
    // It lives 14 days, of which 7 are over.
    assert!(believed(&store.obtain(&points, now()).await.unwrap()[0], &root));
    let mut wanted = now();
    while wanted < now() + days(5) {
        wanted += days(1);
        store.obtain(&points, wanted).await.unwrap();
        store.tend(wanted);
    }
    assert_eq!(site.asked(), 1);
    site.put("/ca.crl", &list(&root, 8, 6));
    store.obtain(&points, now() + days(6)).await.unwrap();
    let mut asked = site.asked.clone();
    asked.wait_for(|asked| asked.len() == 2).await.unwrap();
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_not_asked_for() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    let (store, points) = (site.store(|_| ()), site.points(&["/ca.crl"]));
    site.put("/ca.crl", &root.crl());
    assert!(believed(&store.obtain(&points, now()).await.unwrap()[0], &root));
    store.tend(now() + days(2));
    tokio::task::yield_now().await;
    assert_eq!(site.asked(), 1);
    assert_eq!(store.places().len(), 1);
    store.tend(now() + days(31));
    assert_eq!(store.places(), []);
}

#[tokio::test]
async fn an_ended_list_is_given_where_there_is_no_other_and_is_remembered() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    let (store, points) = (site.store(|_| ()), site.points(&["/ca.crl"]));
    site.put("/ca.crl", &root.crl());
    let later = now() + days(30);
    assert_eq!(store.obtain(&points, later).await.unwrap().len(), 1);
    assert_eq!(store.obtain(&points, later).await.unwrap().len(), 1);
    assert_eq!(site.asked(), 1, "it is not fetched for every login");
    assert_eq!(store.remembered(&points).len(), 1);
}

#[tokio::test]
async fn the_lists_wanted_longest_ago_make_room() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    let crl = root.crl();
    let store = site.store(|settings| settings.max_total = 2 * crl.len() + crl.len() / 2);
    for (index, path) in ["/a.crl", "/b.crl", "/c.crl"].into_iter().enumerate() {
        site.put(path, &list(&root, 7, 0));
        let at = now() + MINUTE * u32::try_from(index).unwrap();
        store.obtain(&site.points(&[path]), at).await.unwrap();
    }
    let left: Vec<String> = store.places().into_iter().map(|place| place.url).collect();
    assert_eq!(left, [site.url("/b.crl"), site.url("/c.crl")]);
}

#[tokio::test]
async fn a_list_that_is_too_large_is_not_read() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    site.put("/ca.crl", &root.crl());
    let store = site.store(|settings| settings.max_list = 100);
    let refused = store.obtain(&site.points(&["/ca.crl"]), now()).await;
    assert_eq!(refused.err(), Some(ObtainError::Fetch(FetchError::TooLarge { limit: 100 })));
}

#[test]
fn the_names_of_distribution_points_become_urls() {
    let issuer: x509_cert::name::Name = "CN=Issuer,O=Corp".parse().unwrap();
    let uri = |url: &str| tlv(0x86, url.as_bytes());
    let common_name =
        |name: &str| tlv(0x31, &tlv(0x30, &[tlv(6, &[0x55, 4, 3]), tlv(0x0c, name.as_bytes())].concat()));
    let directory_name = |name: &str| tlv(0xa4, &tlv(0x30, &common_name(name)));
    let point = |name: Vec<u8>| tlv(0x30, &tlv(0xa0, &name));
    let value = tlv(
        0x30,
        &[
            point(tlv(
                0xa0,
                &[uri("http://a/1.crl"), uri("ldap://b/CN=x?certificateRevocationList")].concat(),
            )),
            // nameRelativeToCRLIssuer
            point(tlv(0xa1, &tlv(0x30, &[tlv(6, &[0x55, 4, 3]), tlv(0x0c, b"Part 1?")].concat()))),
            point(tlv(0xa0, &directory_name("Elsewhere"))),
            // No name, and a cRLIssuer.
            tlv(0x30, &tlv(0xa2, &directory_name("Other"))),
        ]
        .concat(),
    );
    let found = points_of(&value, &issuer, ListAttribute::CertificateRevocationList);
    assert_eq!(
        found,
        [
            vec!["http://a/1.crl", "ldap://b/CN=x?certificateRevocationList"],
            vec!["ldap:///CN=Part%201%3F,CN=Issuer,O=Corp?certificateRevocationList;binary"],
            vec!["ldap:///CN=Elsewhere?certificateRevocationList;binary"],
            vec!["ldap:///CN=Other?certificateRevocationList;binary"],
        ]
    );
    assert!(found.iter().flatten().all(|url| url.parse::<Location>().is_ok()));
    assert_eq!(points_of(b"rubbish", &issuer, ListAttribute::DeltaRevocationList), [[""; 0]; 0]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_keep_a_place_from_being_asked() {
    let (site, root) = (Site::new().await, Authority::root("Root"));
    let (store, points) = (site.store(|_| ()), site.points(&["/ca.crl"]));
    assert!(store.obtain(&points, now() + 3000 * MINUTE).await.is_err());
    site.put("/ca.crl", &root.crl());
    assert!(store.obtain(&points, now()).await.is_ok());
}

#[tokio::test]
async fn the_places_that_failed_are_bounded() {
    let site = Site::new().await;
    let store = site.store(|_| ());
    {
        let mut slots = store.slots();
        for number in 0..MAX_PLACES {
            slots.insert(format!("http://{number}.example/"), Slot::new(now()));
        }
    }
    assert!(store.obtain(&site.points(&["/none.crl"]), now() + MINUTE).await.is_err());
    assert_eq!(store.places().len(), MAX_PLACES);
}

/// A list that names so many places of delta lists, from `first` on.
fn with_freshest(authority: &Authority, first: u32, count: u32) -> Arc<Crl> {
    let point = |number: u32| {
        let url = format!("http://{number}.example/delta.crl");
        tlv(0x30, &tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes()))))
    };
    let points: Vec<Vec<u8>> = (first..first + count).map(point).collect();
    let freshest = tlv(0x30, &[tlv(6, &[0x55, 0x1d, 46]), tlv(4, &tlv(0x30, &points.concat()))].concat());
    let algorithm = tlv(0x30, &tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));
    let name = ParsedCertificate::parse(&authority.certificate).unwrap().subject().to_der().unwrap();
    let times = [tlv(0x17, b"251225000000Z"), tlv(0x17, b"260108000000Z")].concat();
    let extensions = tlv(0xa0, &tlv(0x30, &freshest));
    let signed = tlv(0x30, &[vec![2, 1, 1], algorithm.clone(), name, times, extensions].concat());
    let signature = tlv(3, &[vec![0], authority.key.sign(&signed).unwrap()].concat());
    Arc::new(Crl::parse(&tlv(0x30, &[signed, algorithm, signature].concat())).unwrap())
}

#[test]
fn a_forged_list_beside_a_believed_one_leads_to_no_other_place() {
    let (root, rogue) = (Authority::root("Root"), Authority::root("Root"));
    let good = with_freshest(&root, 1, 1);
    let forged = [with_freshest(&rogue, 10, 8), with_freshest(&rogue, 20, 8)];
    assert_eq!(deltas_of(&forged).len(), MAX_DELTA_POINTS, "as long as nobody is believed");
    let [one, other] = forged;
    let all = [one, other, Arc::clone(&good)];
    assert!(believed(&good, &root));
    assert_eq!(deltas_of(&all), [["http://1.example/delta.crl"]]);
}
