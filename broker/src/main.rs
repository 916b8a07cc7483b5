//! The `kerbridge` command.
fn main() {}
