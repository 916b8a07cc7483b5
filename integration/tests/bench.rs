//! What the tests of the whole line share: a lab, a broker in front of it, and a workstation.

use std::process::Command;
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented, Workstation};
use integration::lab::Lab;
use integration::pki::{CardRequest, Credential};
use integration::process;
use integration::scene::{Progress, Scene};

/// A broker with the lab's usual configuration, and a workstation that logs in there.
pub(crate) struct Bench {
    // Dropped in this order: the lab's network goes when nothing is on it any more.
    pub(crate) workstation: Workstation,
    pub(crate) broker: BrokerProcess,
    pub(crate) lab: Arc<Lab>,
}

impl Bench {
    /// The one that tests share which change nothing.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Bench>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bench) = shared.upgrade() {
            return bench;
        }
        let lab = Lab::shared().unwrap();
        let broker = start(&Configuration::new(&lab));
        let workstation = Workstation::start(&lab, "workstation").unwrap();
        let bench = Arc::new(Self { workstation, broker, lab });
        *shared = Arc::downgrade(&bench);
        bench
    }

    /// The right card of an account: with its user principal name and its SID.
    pub(crate) fn card_of(&self, account: &str) -> CardRequest<'_> {
        card_of(&self.lab, account)
    }

    /// Logs in for `gw1`.
    pub(crate) fn log_in(&self, card: &CardRequest<'_>, target: &str) -> Answer {
        self.present(Presented::File(&card.issue().unwrap()), target)
    }

    /// Logs in for `gw1` with what is presented.
    pub(crate) fn present(&self, presented: Presented<'_>, target: &str) -> Answer {
        self.workstation.log_in(&self.broker, presented, "gw1", target).unwrap()
    }

    /// Logs in at a broker of another configuration.
    pub(crate) fn log_in_at(&self, broker: &BrokerProcess, card: &Credential, target: &str) -> Answer {
        self.workstation.log_in(broker, Presented::File(card), "gw1", target).unwrap()
    }
}

/// Every part a login needs, down to the desktop; shared by tests that change nothing.
pub(crate) fn scene() -> Arc<Scene> {
    static SHARED: Mutex<Weak<Scene>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(scene) = shared.upgrade() {
        return scene;
    }
    let scene = Scene::start(Lab::shared().unwrap(), &mut Progress::new(&mut std::io::sink())).unwrap();
    let scene = Arc::new(scene);
    *shared = Arc::downgrade(&scene);
    scene
}

/// The right card of an account of a lab.
pub(crate) fn card_of<'a>(lab: &'a Lab, account: &str) -> CardRequest<'a> {
    let sid = lab.controller().sid(account).unwrap();
    lab.pki().card(&format!("{account}@corp.example")).sid(sid)
}

/// Starts the broker of this tree: what a run of the tests built before, or an edit since then.
pub(crate) fn start(configuration: &Configuration<'_>) -> BrokerProcess {
    build();
    configuration.start().unwrap()
}

/// Builds the programs of this tree, where that has not been done.
pub(crate) fn build() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--workspace", "--bins", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let built = process::run(cargo, b"", Duration::from_secs(1800)).unwrap();
        assert!(built.succeeded(), "{}", built.error_text());
    });
}
