//! One run of the lab: its name, its labels, and the removal of what it and dead runs before it left.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{ContainerError, Engine};

/// Label of every container and network of the lab; its value is the run's id.
const RUN_LABEL: &str = "kerbridge.run";

/// Label that names the process a container belongs to.
const OWNER_LABEL: &str = "kerbridge.owner";

/// Label, in place of the run's, of what was kept on purpose: no run removes it by itself.
const KEPT_LABEL: &str = "kerbridge.kept";

/// This process's run.
#[derive(Debug)]
pub struct Run {
    id: String,
    owner: Owner,
    kept: AtomicBool,
    /// Removes the run's containers when this process has ended, however it ended. Its standard input is a pipe that
    /// nobody writes to and that the system closes with us.
    _reaper: Child,
}

/// A process, such that a number used again, a reboot or another pid namespace cannot be mistaken for it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Owner {
    boot: String,
    namespace: String,
    pid: u32,
    started: String,
}

impl Run {
    /// The run of this process. The first call also removes what dead runs left.
    ///
    /// # Errors
    /// Where no engine works.
    pub fn current() -> Result<&'static Self, ContainerError> {
        static RUN: OnceLock<Run> = OnceLock::new();
        if let Some(run) = RUN.get() {
            return Ok(run);
        }
        let engine = Engine::get()?;
        let fresh = Self::begin(engine)?;
        let run = RUN.get_or_init(|| fresh);
        Ok(run)
    }

    fn begin(engine: &Engine) -> Result<Self, ContainerError> {
        let owner = Owner::this_process();
        remove_dead(engine, &owner);
        let mut id = read_line("/proc/sys/kernel/random/uuid");
        id.truncate(8);
        let removal = removal_script(engine, &format!("{RUN_LABEL}={id}"));
        let reaper = Command::new("sh")
            .args(["-c", &format!("cat >/dev/null\n{removal}")])
            // Out of the terminal's process group, so that Ctrl-C ends us and not the clean-up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| ContainerError::File { path: "sh".to_owned(), source })?;
        Ok(Self { id, owner, kept: AtomicBool::new(false), _reaper: reaper })
    }

    /// Eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// From now on, what this run starts outlives it, until [`Run::remove_kept`]. Call it before anything is started.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether [`Run::keep`] was called.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Removes the containers and networks of all kept runs; returns how many containers there were.
    ///
    /// # Errors
    /// Where no engine works.
    pub fn remove_kept() -> Result<usize, ContainerError> {
        let engine = Engine::get()?;
        let kept = engine.run(&["ps", "--all", "--quiet", "--filter", &format!("label={KEPT_LABEL}")])?;
        sweep(&removal_script(engine, KEPT_LABEL));
        Ok(kept.lines().count())
    }

    /// The labels of a new container or network, as options.
    pub(crate) fn labels(&self) -> Vec<String> {
        let label = |name: &str, value: &str| ["--label".to_owned(), format!("{name}={value}")];
        if self.is_kept() {
            return label(KEPT_LABEL, &self.id).into();
        }
        [label(RUN_LABEL, &self.id), label(OWNER_LABEL, &self.owner.to_string())].concat()
    }
}

impl Owner {
    fn this_process() -> Self {
        let pid = std::process::id();
        Self { boot: boot_id(), namespace: pid_namespace(), pid, started: start_time(pid) }
    }

    /// The owner a label names; none for a kept run and for a label of another making.
    fn parse(label: &str) -> Option<Self> {
        let mut parts = label.split('.');
        let (boot, namespace, pid, started) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            boot: boot.into(),
            namespace: namespace.into(),
            pid: pid.parse().ok()?,
            started: started.into(),
        })
    }

    /// Whether this owner is known to have ended, as seen from `here`. A process of another pid namespace cannot be
    /// judged and counts as alive.
    fn is_dead(&self, here: &Self) -> bool {
        let rebooted = self.boot != here.boot;
        let gone = self.namespace == here.namespace && start_time(self.pid) != self.started;
        rebooted || gone
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}.{}", self.boot, self.namespace, self.pid, self.started)
    }
}

/// Removes what runs whose process has ended left behind.
fn remove_dead(engine: &Engine, here: &Owner) {
    let mut owners = owners(engine);
    owners.sort_unstable();
    owners.dedup();
    for label in owners {
        if Owner::parse(&label).is_some_and(|owner| owner.is_dead(here)) {
            sweep(&removal_script(engine, &format!("{OWNER_LABEL}={label}")));
        }
    }
}

/// The owners of all containers and networks of the lab.
fn owners(engine: &Engine) -> Vec<String> {
    let filter = format!("label={OWNER_LABEL}");
    let name_of = |object: &str, list: &[&str]| -> Vec<String> {
        let template = match object {
            "container" => format!("{{{{index .Config.Labels \"{OWNER_LABEL}\"}}}}"),
            _ => format!("{{{{index .Labels \"{OWNER_LABEL}\"}}}}"),
        };
        let names = engine.run(&[list, &["--quiet", "--filter", &filter]].concat()).unwrap_or_default();
        let inspect = |name| engine.run(&[object, "inspect", "--format", &template, name]).ok();
        names.lines().filter_map(inspect).collect()
    };
    [name_of("container", &["ps", "--all"]), name_of("network", &["network", "ls"])].concat()
}

/// A shell script that removes the containers, then the networks, with a label. An engine under load fails to remove what is
/// just ending, so it looks again.
fn removal_script(engine: &Engine, label: &str) -> String {
    let engine = engine.command_line();
    let containers = format!("{engine} ps --all --quiet --filter label={label}");
    let networks = format!("{engine} network ls --quiet --filter label={label}");
    format!(
        "for attempt in 1 2 3 4 5 6 7 8 9; do\n\
         {containers} | xargs -r {engine} rm --force --volumes\n\
         {networks} | xargs -r {engine} network rm\n\
         [ -n \"$({containers}; {networks})\" ] || break\n\
         sleep 1\n\
         done\n"
    )
}

fn sweep(script: &str) {
    let mut shell = Command::new("sh");
    // What cannot be removed now is left to the next run.
    drop(
        shell.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status(),
    );
}

fn boot_id() -> String {
    read_line("/proc/sys/kernel/random/boot_id").replace('-', "")
}

fn pid_namespace() -> String {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// When a process started, in ticks since the boot; empty for one that is gone.
fn start_time(pid: u32) -> String {
    let stat = read_line(&format!("/proc/{pid}/stat"));
    // The second field, the program's name, may hold spaces; it ends with the last parenthesis.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(19).unwrap_or_default().to_owned()
}

fn read_line(path: &str) -> String {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    if read.is_ok() { text.trim().to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_survives_its_label() {
        let here = Owner::this_process();
        assert_eq!(Owner::parse(&here.to_string()), Some(here));
    }

    #[test]
    fn this_process_is_alive_and_a_number_used_again_is_not_it() {
        let here = Owner::this_process();
        assert!(!here.is_dead(&here));
        let earlier = Owner { started: "1".into(), ..here.clone() };
        assert!(earlier.is_dead(&here));
    }

    #[test]
    fn an_owner_of_another_namespace_is_left_alone_and_of_another_boot_is_dead() {
        let here = Owner::this_process();
        assert!(!Owner { namespace: "1".into(), started: "1".into(), ..here.clone() }.is_dead(&here));
        assert!(Owner { boot: "0".into(), ..here.clone() }.is_dead(&here));
    }
}
