//! Brings up the tests' domain with a client of MIT's tools, says how to look at it, and takes it down when its standard
//! input ends (Ctrl-D) or it is killed.

use std::io::{Read, Write};

use integration::container::{Engine, Run};
use integration::lab::Lab;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lab = Lab::start("by-hand")?;
    let client = lab.client("client")?;
    let engine = Engine::get()?.command_line();
    let mut out = std::io::stdout();
    writeln!(out, "run {}", Run::current()?.id())?;
    writeln!(out, "the controller {} is at {}", lab.controller().name(), lab.controller().address())?;
    writeln!(out, "{engine} exec -it {} bash", lab.controller().container().name())?;
    writeln!(out, "{engine} exec -it {} bash   # kinit alice (alice-Passw0rd)", client.name())?;
    writeln!(out, "end of input takes it down")?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
