//! The harness itself: containers are reachable, and nothing of a run is left.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use integration::container::{Container, ContainerSpec, Engine, Image, ImageSource, Network};
use integration::{process, wait};

fn client() -> Image {
    ImageSource::named("client").build().unwrap()
}

fn started(name: &str, network: &Network) -> Container {
    ContainerSpec::new(name, &client(), network, network.next_address())
        .hostname("client.corp.example")
        .host("dc1.corp.example", network.address(10))
        .file("/lab/greeting", "hello\n", 0o640)
        .start()
        .unwrap()
}

/// What the engine lists under a name: containers and networks.
fn listed(name: &str) -> String {
    let engine = Engine::get().unwrap().command_line();
    let script =
        format!("{engine} ps --all --format '{{{{.Names}}}}'; {engine} network ls --format '{{{{.Name}}}}'");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]);
    let all = process::run(shell, b"", Duration::from_secs(60)).unwrap().text();
    all.lines().filter(|line| line.contains(name)).collect()
}

#[test]
fn a_container_has_its_address_its_names_and_its_files() {
    let network = Network::create("container-test").unwrap();
    let container = started("names", &network);

    assert_eq!(container.run(&["hostname", "-f"]).unwrap().trim(), "client.corp.example");
    let addresses = container.run(&["hostname", "-I"]).unwrap();
    assert_eq!(addresses.trim(), container.address().to_string());
    let hosts = container.run(&["getent", "hosts", "dc1.corp.example"]).unwrap();
    assert!(hosts.starts_with(&network.address(10).to_string()), "{hosts}");
    assert_eq!(container.read("/lab/greeting").unwrap(), b"hello\n");
    assert_eq!(container.run(&["stat", "-c", "%a %U", "/lab/greeting"]).unwrap().trim(), "640 root");

    container.write("/made/later", b"octets", "600").unwrap();
    assert_eq!(container.run(&["stat", "-c", "%a", "/made/later"]).unwrap().trim(), "600");
}

#[test]
fn a_dropped_container_and_its_network_are_gone() {
    let network = Network::create("drop-test").unwrap();
    let name = network.name().to_owned();
    let container = started("drop-test", &network);
    assert!(listed(container.name()).contains(container.name()));

    let container_name = container.name().to_owned();
    drop(container);
    drop(network);
    assert_eq!(listed(&container_name), "");
    assert_eq!(listed(&name), "");
}

#[test]
fn no_output_is_lost_with_input_or_without() {
    let network = Network::create("output-test").unwrap();
    let container = started("output", &network);
    for input in [b"".as_slice(), b"a line that nobody reads\n", &[b'x'; 100_000]] {
        for _ in 0..10 {
            let script = "echo out; echo error >&2; exit 3";
            let finished = container.exec_with(&["sh", "-c", script], &[], input).unwrap();
            assert_eq!((finished.text().as_str(), finished.error_text().as_str()), ("out\n", "error\n"));
            assert_eq!(finished.code, Some(3));
        }
    }
    let echoed = container.exec_with(&["cat"], &[], &[b'x'; 100_000]).unwrap();
    assert_eq!(echoed.stdout.len(), 100_000);
}

#[test]
fn a_command_that_fails_inside_is_named_with_its_output() {
    let network = Network::create("failure-test").unwrap();
    let container = started("failure", &network);
    let error = container.run(&["sh", "-c", "echo because; exit 7"]).unwrap_err().to_string();
    assert!(error.contains("Some(7)") && error.contains("because"), "{error}");
}

/// The program `lab`, up and running, and its run's id.
fn lab_by_hand() -> (std::process::Child, String) {
    let mut lab = std::process::Command::new(env!("CARGO_BIN_EXE_lab"));
    let spawned = lab.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn();
    let mut lab = spawned.unwrap();
    let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines();
    let first = lines.next().expect("the lab came up").unwrap();
    let id = first.strip_prefix("run ").unwrap().to_owned();
    assert!(lines.any(|line| line.unwrap().starts_with("end of input")));
    (lab, id)
}

#[test]
fn a_killed_run_leaves_nothing() {
    let (mut lab, id) = lab_by_hand();
    assert_ne!(listed(&id), "");
    lab.kill().unwrap();
    lab.wait().unwrap();
    wait::until("the removal", Duration::from_secs(30), || listed(&id).is_empty().then_some(())).unwrap();
}

#[test]
fn a_run_removes_what_a_dead_one_left_and_spares_the_living() {
    let engine = Engine::get().unwrap().command_line();
    let network = Network::create("living").unwrap();
    // As left by a machine that lost power: its boot is not this one.
    let left = format!("kerbridge-left-{}", std::process::id());
    let script = format!(
        "{engine} network create --subnet 10.199.{}.0/24 --label kerbridge.run=0 --label kerbridge.owner=0.0.1.1 {left}",
        std::process::id() % 250
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]);
    assert!(process::run(shell, b"", Duration::from_secs(60)).unwrap().succeeded());
    assert!(listed(&left).contains(&left));

    let (mut lab, _) = lab_by_hand();
    assert_eq!(listed(&left), "");
    assert!(listed(network.name()).contains(network.name()));
    drop(lab.stdin.take());
    assert!(lab.wait().unwrap().success());
}
