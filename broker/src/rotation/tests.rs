//! The rotation against a domain that is modelled: whatever the outcome, and wherever it stops, the secret in force is on disk,
//! and the next run comes to the end.

use std::{
    cell::{Cell, RefCell},
    fs,
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use kdc_proxy::{
    error::{ErrorCode, KpasswdRefusal, KpasswdResult},
    key::{Etype, Key},
    keytab::Keytab,
    net::{
        client::{ChangeError, ClientError, Credential, ReplaceError, Stage, UnknownCause},
        transport::TransportError,
    },
    principal::{Principal, PrincipalName, Realm},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::Zeroizing;

use super::*;

const FIRST: &str = "the-First-passw0rd";
const ACCOUNT: &str = "svc-broker@CORP.EXAMPLE";

/// What becomes of a request to change the password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Carried,
    /// Carried out, and the answer is lost.
    AnswerLost,
    /// Lost itself.
    Lost,
    /// The domain controller carries it out when it is asked the next time.
    Late,
    Refused,
    NotReached,
}

/// A domain that is one account.
struct Model {
    password: RefCell<String>,
    version: Cell<u32>,
    fate: Cell<Fate>,
    late: RefCell<Option<String>>,
    is_away: Cell<bool>,
    tells_version: Cell<bool>,
    wrong: Cell<usize>,
}

impl Model {
    fn new() -> Self {
        Self {
            password: RefCell::new(FIRST.to_owned()),
            version: Cell::new(3),
            fate: Cell::new(Fate::Carried),
            late: RefCell::new(None),
            is_away: Cell::new(false),
            tells_version: Cell::new(true),
            wrong: Cell::new(0),
        }
    }

    fn set(&self, password: &str) {
        password.clone_into(&mut self.password.borrow_mut());
        self.version.set(self.version.get() + 1);
    }

    /// A request that was on its way is carried out.
    fn catch_up(&self) {
        if let Some(late) = self.late.borrow_mut().take() {
            self.set(&late);
        }
    }

    fn holds(&self, credential: &Credential) -> bool {
        let is_present = |password: &str| *self.password.borrow() == password;
        match credential {
            Credential::Password(password) => is_present(password),
            Credential::Keytab(keytab) => {
                let present = key(&self.password.borrow());
                let keys = keytab.decryption_keys(&name("svc-broker"), Etype::Aes256, None);
                // As an AS exchange: the newest, then the one before it.
                keys.into_iter().take(2).any(|key| key.is_same(&present))
            }
            Credential::Changing { present, next } => is_present(next) || self.holds(present),
        }
    }
}

fn unavailable() -> ReplaceError {
    ClientError::NoKdc { realm: Realm::new("CORP.EXAMPLE").unwrap() }.into()
}

impl Domain for &Model {
    async fn connect(&mut self, credential: Credential) -> Result<String, ReplaceError> {
        match self.accepts(credential).await? {
            Held::Accepted => Ok("dc1:88".to_owned()),
            Held::Refused => Err(ClientError::KdcRefused {
                stage: Stage::As,
                realm: Realm::new("CORP.EXAMPLE").unwrap(),
                code: ErrorCode::KDC_ERR_PREAUTH_FAILED,
                status: None,
                text: None,
            }
            .into()),
        }
    }

    async fn accepts(&self, credential: Credential) -> Result<Held, ReplaceError> {
        if self.is_away.get() {
            return Err(unavailable());
        }
        if self.holds(&credential) {
            return Ok(Held::Accepted);
        }
        self.wrong.set(self.wrong.get() + 1);
        Ok(Held::Refused)
    }

    async fn change(&self, present: Credential, password: &Zeroizing<String>) -> Result<(), ChangeError> {
        self.catch_up();
        let kdc = "dc1".parse().unwrap();
        let lost = UnknownCause::Transport(TransportError::ExchangeTimeout);
        assert!(
            self.holds(&present) || self.late.borrow().is_none(),
            "asked with a secret that is not in force"
        );
        let refused = KpasswdRefusal { result: KpasswdResult::SoftError, policy: None, text: None };
        if *self.password.borrow() == password.as_str() {
            return Err(ChangeError::Refused(refused));
        }
        match self.fate.get() {
            Fate::Carried => {
                self.set(password);
                Ok(())
            }
            Fate::AnswerLost => {
                self.set(password);
                Err(ChangeError::Unknown { kdc, cause: lost })
            }
            Fate::Lost => Err(ChangeError::Unknown { kdc, cause: lost }),
            Fate::Late => {
                *self.late.borrow_mut() = Some(password.to_string());
                Err(ChangeError::Unknown { kdc, cause: lost })
            }
            Fate::Refused => Err(ChangeError::Refused(refused)),
            Fate::NotReached => {
                Err(ChangeError::NotReached { kdc, port: 464, error: TransportError::ConnectTimeout })
            }
        }
    }

    async fn keys(&self, password: &Zeroizing<String>) -> Result<NewKeys, ReplaceError> {
        if self.accepts(Credential::Password(password.clone())).await? == Held::Refused {
            return Err(unavailable());
        }
        let version = self.tells_version.get().then(|| (self.version.get(), VersionSource::Directory));
        Ok(NewKeys { keys: vec![key(password)], version })
    }
}

/// Stops after so many events.
struct StopAfter(Option<usize>, Vec<&'static str>);

impl Observer for StopAfter {
    fn reached(&mut self, event: &Event) -> ControlFlow<()> {
        self.1.push(event.word());
        if self.0 == Some(self.1.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn key(password: &str) -> Key {
    Key::from_password(Etype::Aes256, password, b"CORP.EXAMPLEsvc-broker", None).unwrap()
}

fn name(text: &str) -> Principal {
    Principal::new(text.parse::<PrincipalName>().unwrap(), Realm::new("CORP.EXAMPLE").unwrap())
}

/// In which form the secret is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Keytab,
    Password,
}

/// The files of a service.
struct Disk {
    folder: tempfile::TempDir,
    form: Form,
    directory: bool,
}

impl Disk {
    /// A secret, and where asked for the file of the directory's password, which is the same.
    fn new(form: Form, directory: bool) -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap(), form, directory };
        let first = match form {
            Form::Keytab => {
                let mut keytab = Keytab::default();
                keytab.push(name("svc-broker"), 3, 1_700_000_000, key(FIRST));
                keytab.to_bytes().to_vec()
            }
            Form::Password => format!("{FIRST}\n").into_bytes(),
        };
        fs::write(disk.secret(), first).unwrap();
        if directory {
            fs::write(disk.bind(), FIRST).unwrap();
        }
        disk
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn bind(&self) -> PathBuf {
        self.folder.path().join("ldap-password")
    }

    fn text(path: PathBuf) -> Zeroizing<String> {
        Zeroizing::new(fs::read_to_string(path).unwrap().trim_end().to_owned())
    }

    fn pending(&self) -> Option<Pending> {
        let text = fs::read_to_string(beside(&self.secret(), PENDING_SUFFIX)).ok()?;
        Some(Pending::parse(&text, ACCOUNT).unwrap())
    }

    /// What a run finds.
    fn plan(&self) -> Plan {
        let secret = match self.form {
            Form::Keytab => Secret::Keytab {
                keytab: Keytab::parse(&fs::read(self.secret()).unwrap()).unwrap(),
                names: vec![name("svc-broker")],
            },
            Form::Password => Secret::Password(Self::text(self.secret())),
        };
        let directories = self.directory.then(|| DirectoryPassword {
            path: Some(self.bind()),
            password: Self::text(self.bind()),
            name: "Svc-Broker@corp.example".to_owned(),
            abroad: None,
        });
        Plan {
            account: ACCOUNT.to_owned(),
            sam_account_name: "svc-broker".to_owned(),
            path: self.secret(),
            secret,
            pending: self.pending(),
            directories: directories.into_iter().collect(),
            length: 40,
        }
    }

    /// Whether the service finds a password that is in force, in its place or pending, for the KDC and for the directory.
    fn serves(&self, model: &Model) -> bool {
        let plan = self.plan();
        let pending = plan.pending.as_ref();
        let is_pending = pending.is_some_and(|pending| *model.password.borrow() == pending.password.as_str());
        let in_place = match &plan.secret {
            Secret::Keytab { keytab, .. } => model.holds(&Credential::Keytab(keytab.clone())),
            Secret::Password(password) => model.holds(&Credential::Password(password.clone())),
        };
        let binds = plan.directories.iter().all(|directory| {
            model.holds(&Credential::Password(directory.password.clone()))
                || (is_pending
                    && pending.is_some_and(|pending| {
                        pending.directories.contains(&self.bind().canonicalize().unwrap())
                    }))
        });
        (in_place || is_pending) && binds
    }

    /// The files have the password that is in force, and nothing is pending.
    fn is_done(&self, model: &Model) -> bool {
        let plan = self.plan();
        let present = model.password.borrow();
        let in_place = match &plan.secret {
            Secret::Keytab { keytab, .. } => {
                let newest = keytab.key(&name("svc-broker"), Etype::Aes256, Some(model.version.get()));
                newest.is_some_and(|newest| newest.is_same(&key(&present)))
            }
            Secret::Password(password) => *present == password.as_str(),
        };
        let binds = plan.directories.iter().all(|directory| *present == directory.password.as_str());
        in_place && binds && plan.pending.is_none()
    }

    async fn run(
        &self,
        model: &Model,
        stop: Option<usize>,
        at: u64,
    ) -> (Result<Done, RotationError>, Vec<&'static str>) {
        let plan = self.plan();
        let lock = Lock::take(&plan.path).unwrap().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + at);
        let (mut model, mut observer) = (model, StopAfter(stop, Vec::new()));
        let mut rng = ChaCha20Rng::from_seed([u8::try_from(at % 251).unwrap(); 32]);
        let outcome = rotate(&plan, &lock, &mut model, &mut observer, now, &mut rng).await;
        (outcome, observer.1)
    }
}

const ALL: [(Form, bool); 4] =
    [(Form::Keytab, false), (Form::Keytab, true), (Form::Password, false), (Form::Password, true)];

#[tokio::test]
async fn a_rotation_changes_the_password_and_writes_it_where_it_belongs() {
    for (form, directory) in ALL {
        let (disk, model) = (Disk::new(form, directory), Model::new());
        let (outcome, events) = disk.run(&model, None, 0).await;
        let done = outcome.unwrap();
        assert_eq!(done.version, Some(4));
        assert_eq!(done.written.len(), if directory { 2 } else { 1 });
        assert!(disk.is_done(&model));
        assert_eq!(model.password.borrow().len(), 40);
        assert_eq!(model.wrong.get(), 0, "no wrong password was presented");
        assert_eq!(events[..4], ["accepted", "prepared", "changed", "verified"]);
        if form == Form::Keytab {
            let keytab = Keytab::parse(&fs::read(disk.secret()).unwrap()).unwrap();
            let old = keytab.key(&name("svc-broker"), Etype::Aes256, Some(3)).unwrap();
            assert!(old.is_same(&key(FIRST)), "tickets under the old key can still be opened");
        }
    }
}

/// The outcomes of a first run that leave a password pending or not, and that a second run has to mend.
const FATES: [Fate; 4] = [Fate::Carried, Fate::AnswerLost, Fate::Lost, Fate::Late];

#[tokio::test]
async fn wherever_it_stops_the_service_serves_on_and_the_next_run_comes_to_the_end() {
    for (form, directory) in ALL {
        for fate in FATES {
            for stop in 1.. {
                let (disk, model) = (Disk::new(form, directory), Model::new());
                model.fate.set(fate);
                let (outcome, events) = disk.run(&model, Some(stop), 0).await;
                assert!(disk.serves(&model), "{form:?} {directory} {fate:?} stopped after {events:?}");
                let was_stopped = matches!(outcome, Err(RotationError::Stopped));
                model.catch_up();
                assert!(
                    disk.serves(&model),
                    "{form:?} {directory} {fate:?} stopped after {events:?}, caught up"
                );
                // The next run is stopped too, wherever that can be; the third is not.
                model.fate.set(Fate::Carried);
                for again in 1..=4 {
                    drop(disk.run(&model, Some(again), 1).await);
                    assert!(
                        disk.serves(&model),
                        "{form:?} {directory} {fate:?} {events:?}, again after {again}"
                    );
                }
                disk.run(&model, None, 2).await.0.unwrap();
                assert!(disk.is_done(&model), "{form:?} {directory} {fate:?} {events:?}");
                if !was_stopped {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_change_is_resolved_at_once() {
    let (disk, model) = (Disk::new(Form::Keytab, true), Model::new());
    model.fate.set(Fate::AnswerLost);
    let (outcome, events) = disk.run(&model, None, 0).await;
    outcome.unwrap();
    assert!(disk.is_done(&model));
    assert!(events.contains(&"unknown") && events.contains(&"changed"), "{events:?}");
    assert_eq!(model.wrong.get(), 0);
}

#[tokio::test]
async fn a_request_that_is_lost_leaves_the_old_password_in_force_and_the_same_new_one_is_tried_again() {
    let (disk, model) = (Disk::new(Form::Keytab, true), Model::new());
    model.fate.set(Fate::Lost);
    let (outcome, _) = disk.run(&model, None, 0).await;
    assert!(matches!(outcome, Err(RotationError::NotChangedYet { .. })), "{outcome:?}");
    let pending = disk.pending().unwrap().password;
    model.fate.set(Fate::Carried);
    disk.run(&model, None, 60).await.0.unwrap();
    assert!(disk.is_done(&model));
    assert_eq!(*model.password.borrow(), pending.as_str());
}

#[tokio::test]
async fn a_request_that_is_carried_out_late_locks_nobody_out() {
    let (disk, model) = (Disk::new(Form::Password, true), Model::new());
    model.fate.set(Fate::Late);
    assert!(matches!(disk.run(&model, None, 0).await.0, Err(RotationError::NotChangedYet { .. })));
    model.catch_up();
    assert!(disk.serves(&model));
    let (outcome, events) = disk.run(&model, None, 60).await;
    outcome.unwrap();
    assert!(events.contains(&"in_force_already"), "{events:?}");
    assert!(disk.is_done(&model));
}

#[tokio::test]
async fn a_late_request_between_the_look_and_the_next_request_is_noticed() {
    let (disk, model) = (Disk::new(Form::Password, false), Model::new());
    model.fate.set(Fate::Late);
    disk.run(&model, None, 0).await.0.unwrap_err();
    // The model carries it out when the next request comes, which it then refuses: the password is in force already.
    let (outcome, events) = disk.run(&model, None, 60).await;
    outcome.unwrap();
    assert!(events.contains(&"in_force_already"), "{events:?}");
    assert!(disk.is_done(&model));
}

#[tokio::test]
async fn a_refused_password_is_dropped_and_nothing_is_lost() {
    for fate in [Fate::Refused, Fate::NotReached] {
        let (disk, model) = (Disk::new(Form::Keytab, true), Model::new());
        let before = fs::read(disk.secret()).unwrap();
        model.fate.set(fate);
        let (outcome, _) = disk.run(&model, None, 0).await;
        match fate {
            Fate::Refused => assert!(matches!(outcome, Err(RotationError::Refused(_))), "{outcome:?}"),
            _ => assert!(matches!(outcome, Err(RotationError::NotAsked(_))), "{outcome:?}"),
        }
        assert!(disk.pending().is_none());
        assert_eq!(fs::read(disk.secret()).unwrap(), before);
        assert!(disk.serves(&model));
    }
}

#[tokio::test]
async fn a_refused_password_that_may_be_on_its_way_is_kept_until_it_cannot_be_any_more() {
    let (disk, model) = (Disk::new(Form::Keytab, false), Model::new());
    model.fate.set(Fate::Lost);
    disk.run(&model, None, 0).await.0.unwrap_err();
    model.fate.set(Fate::Refused);
    let (outcome, _) = disk.run(&model, None, 60).await;
    assert!(matches!(outcome, Err(RotationError::RefusedAndPending(_))), "{outcome:?}");
    assert!(disk.pending().is_some());
    // A second refusal does not put the time off: the request that may be on its way is still the first.
    let (outcome, _) = disk.run(&model, None, 601).await;
    assert!(matches!(outcome, Err(RotationError::Refused(_))), "{outcome:?}");
    assert!(disk.pending().is_none() && disk.serves(&model));
}

#[tokio::test]
async fn when_the_domain_goes_away_nothing_is_lost() {
    let (disk, model) = (Disk::new(Form::Keytab, true), Model::new());
    model.fate.set(Fate::AnswerLost);
    disk.run(&model, Some(2), 0).await.0.unwrap_err();
    model.is_away.set(true);
    let (outcome, _) = disk.run(&model, None, 1).await;
    assert!(matches!(outcome, Err(RotationError::Unavailable(_))), "{outcome:?}");
    model.is_away.set(false);
    assert!(disk.serves(&model));
    disk.run(&model, None, 2).await.0.unwrap();
    assert!(disk.is_done(&model));
}

#[tokio::test]
async fn without_a_version_the_password_stays_pending_and_the_service_serves_on() {
    let (disk, model) = (Disk::new(Form::Keytab, false), Model::new());
    model.tells_version.set(false);
    let (outcome, _) = disk.run(&model, None, 0).await;
    assert!(matches!(outcome, Err(RotationError::VersionUnknown)), "{outcome:?}");
    assert!(disk.serves(&model) && disk.pending().is_some());
    model.tells_version.set(true);
    disk.run(&model, None, 1).await.0.unwrap();
    assert!(disk.is_done(&model));
    // A password has no version, and needs none.
    let (disk, model) = (Disk::new(Form::Password, false), Model::new());
    model.tells_version.set(false);
    assert_eq!(disk.run(&model, None, 0).await.0.unwrap().version, None);
}

#[tokio::test]
async fn a_secret_that_is_not_in_force_is_not_rotated() {
    let (disk, model) = (Disk::new(Form::Password, false), Model::new());
    model.set("somebody-Else-has-changed-1t");
    let (outcome, _) = disk.run(&model, None, 0).await;
    assert!(matches!(outcome, Err(RotationError::NotAccepted(_))), "{outcome:?}");
    assert!(disk.pending().is_none());
}

#[tokio::test]
async fn the_directory_s_password_of_another_account_is_left_alone() {
    let (disk, model) = (Disk::new(Form::Keytab, true), Model::new());
    fs::write(disk.bind(), "another-Passw0rd").unwrap();
    disk.run(&model, None, 0).await.0.unwrap();
    assert_eq!(fs::read_to_string(disk.bind()).unwrap(), "another-Passw0rd");
    assert_eq!(model.wrong.get(), 1, "it is presented once to find out");
}

#[tokio::test]
async fn what_cannot_be_decided_or_written_is_refused_before_anything_changes() {
    let (disk, model) = (Disk::new(Form::Keytab, true), Model::new());
    let refused = async |change: fn(&mut DirectoryPassword)| {
        let mut plan = disk.plan();
        plan.directories.iter_mut().for_each(change);
        let lock = Lock::take(&plan.path).unwrap().unwrap();
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut observer = StopAfter(None, Vec::new());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        rotate(&plan, &lock, &mut &model, &mut observer, now, &mut rng).await.unwrap_err()
    };
    let error = refused(|directory| directory.name = "svc-reader@corp.example".to_owned()).await;
    assert!(matches!(error, RotationError::DirectoryNameUnclear { .. }), "{error}");
    let error = refused(|directory| directory.path = None).await;
    assert!(matches!(error, RotationError::DirectoryPasswordReadOnly { .. }), "{error}");
    let error = refused(|directory| directory.path = Some("/nonexistent/password".into())).await;
    assert!(matches!(error, RotationError::Disk(_)), "{error}");
    assert!(disk.pending().is_none());
    assert_eq!(*model.password.borrow(), FIRST);
}

#[tokio::test]
async fn of_the_directories_of_other_realms_those_of_the_same_account_follow_and_others_do_not() {
    let (disk, model) = (Disk::new(Form::Keytab, true), Model::new());
    let mut plan = disk.plan();
    let beside = |name: &str| disk.folder.path().join(name);
    let mut realm = |file: &str, name: &str| {
        fs::write(beside(file), FIRST).unwrap();
        plan.directories.push(DirectoryPassword {
            path: Some(beside(file)),
            password: Zeroizing::new(FIRST.to_owned()),
            name: name.to_owned(),
            abroad: Some("BETA.EXAMPLE".to_owned()),
        });
    };
    realm("same", "svc-broker@corp.example");
    // Another account, whose password happens to be the same.
    realm("other", "svc-broker@beta.example");
    let run = async |plan: &Plan| {
        let lock = Lock::take(&plan.path).unwrap().unwrap();
        let (mut observer, mut rng) = (StopAfter(None, Vec::new()), ChaCha20Rng::from_seed([1; 32]));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        rotate(plan, &lock, &mut &model, &mut observer, now, &mut rng).await
    };
    let done = run(&plan).await.unwrap();
    assert_eq!(done.written, [disk.secret(), disk.bind(), beside("same")]);
    assert_eq!(*Disk::text(beside("same")), *model.password.borrow());
    assert_eq!(Disk::text(beside("other")).as_str(), FIRST);
    assert_eq!(model.wrong.get(), 0, "the other account's password is not presented as ours");

    // Both accounts in one file: it can only have the password of one.
    let mut plan = disk.plan();
    let [own, mut other] = [plan.directories[0].clone(), plan.directories[0].clone()];
    (other.name, other.abroad) = ("svc-broker@beta.example".to_owned(), Some("BETA.EXAMPLE".to_owned()));
    plan.directories = vec![own, other];
    let error = run(&plan).await.unwrap_err();
    assert!(matches!(error, RotationError::DirectoryNameUnclear { .. }), "{error}");
    assert!(disk.is_done(&model));
}

#[tokio::test]
async fn one_file_that_serves_all_is_written_once() {
    let (disk, model) = (Disk::new(Form::Password, false), Model::new());
    let mut plan = disk.plan();
    let directory = |name: &str| DirectoryPassword {
        path: Some(disk.secret()),
        password: Disk::text(disk.secret()),
        name: name.to_owned(),
        abroad: None,
    };
    plan.directories =
        ["CORP\\svc-broker", "CN=svc-broker,CN=Users,DC=corp,DC=example"].map(directory).into();
    let lock = Lock::take(&plan.path).unwrap().unwrap();
    let (mut observer, mut rng) = (StopAfter(None, Vec::new()), ChaCha20Rng::from_seed([1; 32]));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let done = rotate(&plan, &lock, &mut &model, &mut observer, now, &mut rng).await.unwrap();
    assert_eq!(done.written, [disk.secret()]);
    assert!(disk.is_done(&model));
}
