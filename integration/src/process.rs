//! A command of the host, run to its end with a deadline and its output kept.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::wait;

/// What a finished command left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, as it came.
    pub stdout: Vec<u8>,
    /// Standard error, as it came.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Whether the exit code was 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text; octets that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text; octets that are not UTF-8 are replaced.
    #[must_use]
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// A command that could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program is missing or may not be run.
    #[error("cannot run {program}")]
    Spawn {
        /// The program's name.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Its pipes broke.
    #[error("lost the pipes of {program}")]
    Pipe {
        /// The program's name.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It was still running at the deadline and was killed.
    #[error("{program} was still running after {limit:?}")]
    TooLong {
        /// The program's name.
        program: String,
        /// The time it had.
        limit: Duration,
    },
}

/// Runs a command with `input` on its standard input.
///
/// # Errors
/// Where it cannot be started, or has not ended after `limit` (it is then killed). An exit code other than 0 is no
/// error here.
pub fn run(mut command: Command, input: &[u8], limit: Duration) -> Result<Finished, ProcessError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|source| ProcessError::Spawn { program: program.clone(), source })?;
    let stdout = child.stdout.take().map(drain);
    let stderr = child.stderr.take().map(drain);
    let stdin = child.stdin.take();
    let input = input.to_owned();
    // A program that does not read all of its input is not at fault: the write error is left aside.
    let feeder = std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));

    let ended = wait::until(&program, limit, || child.try_wait().transpose());
    let Ok(status) = ended else {
        drop(child.kill());
        drop(child.wait());
        return Err(ProcessError::TooLong { program, limit });
    };
    let broken = |source| ProcessError::Pipe { program: program.clone(), source };
    let code = status.map_err(broken)?.code();
    drop(feeder.join());
    Ok(Finished { code, stdout: collect(stdout).map_err(broken)?, stderr: collect(stderr).map_err(broken)? })
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<std::io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut octets = Vec::new();
        pipe.read_to_end(&mut octets).map(|_| octets)
    })
}

fn collect(reader: Option<JoinHandle<std::io::Result<Vec<u8>>>>) -> std::io::Result<Vec<u8>> {
    match reader.map(JoinHandle::join) {
        Some(Ok(octets)) => octets,
        Some(Err(_)) => Err(std::io::Error::other("the reader of the output ended early")),
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn input_and_both_outputs_are_carried() {
        let finished = run(shell("cat; echo oops >&2; exit 3"), b"hello", Duration::from_secs(10)).unwrap();
        assert_eq!((finished.text(), finished.error_text()), ("hello".into(), "oops\n".into()));
        assert_eq!(finished.code, Some(3));
    }

    #[test]
    fn a_command_past_its_deadline_is_killed() {
        let error = run(shell("exec sleep 60"), b"", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, ProcessError::TooLong { .. }), "{error}");
    }
}
