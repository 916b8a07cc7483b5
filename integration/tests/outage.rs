//! Domain controllers die, hang and come back while 50 people a second log in with their cards, at two brokers: one has the first
//! controller nearer, one the second, so that whichever goes is in use. No ticket is kept from one login to the next.
//!
//! 50 logins a second cost more than one processor, most of it the domain controller's: `integration/test` runs this beside nothing else.

use std::time::{Duration, Instant};

use integration::broker_process::{BrokerProcess, Configuration};
use integration::lab::Lab;
use integration::load::{Crowd, Figures, Load, Made};
use integration::samba_ad::{Domain, DomainController};
use integration::wait;

use crate::bench;

/// People, each with a card.
const PEOPLE: usize = 50;

/// Logins a second at each of the two brokers.
const RATE: u32 = 25;

/// More than all phases together need at one broker.
const MOST_LOGINS: usize = 5_000;

/// How long each state of the lab is kept: longer than the broker waits for one answer of one controller.
const PHASE: Duration = Duration::from_secs(6);

/// How long the broker may take to see that a controller is back.
const NOTICE_LIMIT: Duration = Duration::from_secs(60);

/// What the lab was like from a time on.
struct Phase {
    name: String,
    began: Instant,
}

/// The phases so far.
#[derive(Default)]
struct Story(Vec<Phase>);

impl Story {
    fn begin(&mut self, name: &str) {
        self.0.push(Phase { name: name.to_owned(), began: wait::monotonic() });
    }

    /// The numbers of each phase, a line each; a login belongs to the one it began in.
    fn tell(&self, made: &[Made]) -> String {
        let line = |name: &str, figures: &Figures| format!("{name:28} {figures}\n");
        let mut told = String::new();
        for (place, phase) in self.0.iter().enumerate() {
            let next = self.0.get(place + 1).map(|next| next.began);
            let its = made
                .iter()
                .filter(|login| login.began >= phase.began && next.is_none_or(|next| login.began < next));
            told += &line(&phase.name, &Figures::of(its));
        }
        told + &line("all", &Figures::of(made))
    }
}

/// How long it takes until the broker that has the controller nearest, and must have seen it go, has seen that it is back.
fn noticed(
    broker: &BrokerProcess,
    controller: &DomainController,
    lines_before: usize,
) -> Result<Duration, wait::TimedOut> {
    let started = wait::monotonic();
    let address = controller.address().to_string();
    let lines = || {
        broker.log().into_iter().skip(lines_before).filter(|line| line.contains(&address)).collect::<Vec<_>>()
    };
    assert!(
        lines().iter().any(|line| line.contains("is passed over")),
        "{} was not missed",
        controller.name()
    );
    wait::until("the broker's notice", NOTICE_LIMIT, || {
        lines().iter().any(|line| line.contains("answers again")).then_some(())
    })?;
    Ok(started.elapsed())
}

#[test]
fn no_login_is_lost_while_one_of_two_controllers_is_dead_or_frozen() {
    let domain = Domain::of_the_tests().crowd(PEOPLE);
    let lab = Lab::with_domain_on_two_controllers("outage", domain).unwrap();
    let people = Domain::crowd_names(PEOPLE);
    // A broker for each controller, and the half of the people that logs in there.
    let brokers: Vec<BrokerProcess> = lab
        .controllers()
        .iter()
        .map(|controller| {
            let configuration = Configuration::new(&lab).nearest(controller).code_lifetime("5s");
            bench::start(&configuration.logins_of_one_address(1000))
        })
        .collect();
    let loads: Vec<Load> = brokers
        .iter()
        .zip(people.chunks(PEOPLE / 2))
        .map(|(broker, people)| {
            let crowd = Crowd::new(&lab, people, broker, "desk1.corp.example").unwrap();
            crowd.begin(RATE, MOST_LOGINS).unwrap()
        })
        .collect();
    let mut story = Story::default();
    story.begin("both answer");
    wait::pause(PHASE);
    for (controller, broker) in lab.controllers().iter().zip(&brokers) {
        let (name, before) = (controller.name().split('.').next().unwrap(), broker.log().len());
        story.begin(&format!("{name} killed"));
        controller.kill().unwrap();
        wait::pause(PHASE);
        story.begin(&format!("{name} started again"));
        println!("{name} answers {:.1?} after its start", controller.start_again().unwrap());
        println!("its return is noticed after {:.1?}", noticed(broker, controller, before).unwrap());
        wait::pause(PHASE / 3);

        let before = broker.log().len();
        story.begin(&format!("{name} frozen"));
        controller.freeze().unwrap();
        wait::pause(PHASE);
        story.begin(&format!("{name} thawed"));
        controller.thaw().unwrap();
        println!("its return is noticed after {:.1?}", noticed(broker, controller, before).unwrap());
        wait::pause(PHASE / 3);
    }
    let made: Vec<Made> = loads.into_iter().flat_map(Load::stop).collect();
    print!("{}", story.tell(&made));
    assert_eq!(Figures::of(&made).lost(), 0);
}
