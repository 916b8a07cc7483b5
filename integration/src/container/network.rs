//! The run's own bridge network.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::{ContainerError, Engine, Run};

/// Host numbers up to this one are given by name ([`Network::address`]); [`Network::next_address`] goes on from here.
const LAST_FIXED: u8 = 99;

/// How many subnets are tried before giving up.
const TRIES: u32 = 60;

/// A bridge network with a subnet that no other run and no route of this machine uses; it is removed on drop.
#[derive(Debug)]
pub struct Network {
    engine: &'static Engine,
    name: String,
    prefix: [u8; 3],
    taken: AtomicU8,
}

impl Network {
    /// Makes a network of this run; `name` says what for.
    ///
    /// # Errors
    /// Where the engine fails, or every candidate subnet is taken.
    pub fn create(name: &str) -> Result<Self, ContainerError> {
        let (engine, run) = (Engine::get()?, Run::current()?);
        // Numbered: one that is being removed may still be there when the next of its name is made.
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("kerbridge-{}-{name}-{}", run.id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let seed = u32::from_str_radix(run.id(), 16).unwrap_or_default();
        let mut last = String::new();
        for (second, third) in (0..TRIES).map(|attempt| candidate(seed, attempt)) {
            let prefix = [10, second, third];
            let subnet = format!("10.{second}.{third}.0/24");
            if is_routed(prefix) {
                last = format!("{subnet} has a route");
                continue;
            }
            let mut arguments =
                vec!["network".to_owned(), "create".to_owned(), "--subnet".to_owned(), subnet];
            arguments.extend(run.labels());
            arguments.push(name.clone());
            match engine.run(&arguments) {
                Ok(_) => return Ok(Self { engine, name, prefix, taken: LAST_FIXED.into() }),
                Err(error) => last = error.to_string(),
            }
        }
        Err(ContainerError::NoSubnet { last })
    }

    /// Its name at the engine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address with a host number of 2 to 99; the caller sees to it that each is used once.
    #[must_use]
    pub fn address(&self, host: u8) -> Ipv4Addr {
        let [first, second, third] = self.prefix;
        Ipv4Addr::new(first, second, third, host)
    }

    /// An address that was not given before.
    #[must_use]
    pub fn next_address(&self) -> Ipv4Addr {
        let last = self.taken.fetch_add(1, Ordering::Relaxed);
        self.address(last.wrapping_add(1))
    }

    /// This machine's own address on the network, by which containers reach it.
    #[must_use]
    pub fn host_address(&self) -> Ipv4Addr {
        self.address(1)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if Run::current().is_ok_and(Run::is_kept) {
            return;
        }
        let mut removal = self.engine.command(&["network", "rm", &self.name]);
        // Containers that are still there keep it; then the run's reaper removes both.
        drop(removal.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}

/// The `attempt`-th subnet of a run: 10.200-249.x.
fn candidate(seed: u32, attempt: u32) -> (u8, u8) {
    let number = seed.wrapping_add(attempt.wrapping_mul(7919));
    let [_, _, second, third] = number.to_be_bytes();
    (200 + second % 50, third)
}

/// Whether this machine has a route, other than the default one, into the subnet.
fn is_routed(prefix: [u8; 3]) -> bool {
    let [first, second, third] = prefix;
    let address = u32::from_be_bytes([first, second, third, 0]);
    routes().iter().any(|&(network, mask)| {
        let narrower = mask & 0xffff_ff00;
        mask != 0 && address & narrower == network & narrower
    })
}

/// Network and mask of each route of the kernel's table.
#[expect(clippy::disallowed_methods, reason = "the harness blocks, and /proc is no disk")]
fn routes() -> Vec<(u32, u32)> {
    let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let number = |text: &str| u32::from_str_radix(text, 16).map(u32::swap_bytes).ok();
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some((number(fields.get(1)?)?, number(fields.get(7)?)?))
    };
    table.lines().skip(1).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidates_of_a_run_differ_and_stay_in_their_range() {
        let mut candidates: Vec<_> = (0..TRIES).map(|attempt| candidate(0xdead_beef, attempt)).collect();
        assert!(candidates.iter().all(|(second, _)| (200..250).contains(second)));
        candidates.sort_unstable();
        candidates.dedup();
        assert_eq!(candidates.len(), usize::try_from(TRIES).unwrap());
    }
}
