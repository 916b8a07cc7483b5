//! The harness itself: containers are reachable, and nothing of a run is left.

use std::time::Duration;

use integration::container::{Container, ContainerSpec, Engine, Image, ImageSource, Network};
use integration::process;

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
fn a_command_that_fails_inside_is_named_with_its_output() {
    let network = Network::create("failure-test").unwrap();
    let container = started("failure", &network);
    let error = container.run(&["sh", "-c", "echo because; exit 7"]).unwrap_err().to_string();
    assert!(error.contains("Some(7)") && error.contains("because"), "{error}");
}
